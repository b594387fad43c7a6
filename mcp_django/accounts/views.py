"""The pages where users connect accounts at other servers, and disconnect them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from mcp_django.accounts import logins
from mcp_django.accounts.addresses import origin_of
from mcp_django.accounts.logins import PendingLogin
from mcp_django.accounts.models import Account
from mcp_django.accounts.servers import OtherServer, client_name, other_servers
from mcp_django.accounts.storage import AccountStorage
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth.auth import OAuth
from mcp_django.client.oauth.challenges import read_scopes
from mcp_django.exceptions import LoginFailed, MCPError
from mcp_django.rendering import render_page

T = TypeVar("T")

logger = FaultLog("mcp_django.accounts")

OTHERS_SECONDS: Final = 30.0
"""How long other servers may take, altogether, until the user is told."""

_MAX_SCOPE_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A server on the page of accounts.

    Attributes:
        url: Of the server.
        title: What users are shown.
        name: In the settings; "" for a server that is not there any more.
        is_known: Whether there is a row for it.
        is_connected: Whether there are tokens.
        scopes: What they allow, sorted, if that is known.
        is_lost: Whether what is stored cannot be read any more.
    """

    url: str
    title: str
    name: str
    is_known: bool = False
    is_connected: bool = False
    scopes: Sequence[str] = ()
    is_lost: bool = False


@transaction.non_atomic_requests
@never_cache
@login_required
@require_safe
def show_accounts(request: HttpRequest) -> HttpResponse:
    """List the servers, and whether the user has connected an account there."""
    accounts = {
        account.server_url: account for account in Account.objects.of(request.user.pk)
    }
    titles = {server.url: server for server in other_servers().values()}
    rows = [
        _row(request, url, titles.get(url), accounts.get(url))
        # Also those at servers that are configured no more.
        for url in [*titles, *sorted(accounts.keys() - titles.keys())]
    ]
    return render_page(request, "mcp_django/accounts/accounts.html", {"rows": rows})


# Other servers are waited for, and what they give is written by other threads: neither
# must wait for a transaction of ours.
@transaction.non_atomic_requests
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest, name: str) -> HttpResponse:
    """Say what it is about; after the form, send the user to the other server."""
    server = _find(name)
    next_url = _safe_next(request, request.GET.get("next", ""))
    scopes = _scopes_of(request)
    if request.method != "POST":
        asked = sorted(scopes | (server.scopes or frozenset()))
        page = {"server": server, "scopes": asked, "next": next_url}
        return render_page(request, "mcp_django/accounts/connect.html", page)
    oauth = server.login_for(request.user, _client_metadata_url(request))
    callback = origin_of(request) + reverse("mcp_accounts:callback", args=[name])
    try:
        login = _wait(
            lambda: oauth.begin_login(server.url, redirect_uri=callback, scopes=scopes)
        )
    except MCPError as error:
        return _show_failure(request, server, error)
    logins.remember(
        request.session, request.user.pk, login.state, PendingLogin(name, next_url)
    )
    # By a page and not by a redirect: Chromium holds the policy of a form against the
    # redirects that follow it, and where those lead is not known before.
    host = urlsplit(login.url).netloc
    response = render_page(
        request,
        "mcp_django/accounts/leaving.html",
        {"server": server, "host": host, "location": login.url},
    )
    response["Refresh"] = f"0;url={login.url}"
    return response


@transaction.non_atomic_requests
@login_not_required
@never_cache
@require_GET
def finish(request: HttpRequest, name: str) -> HttpResponse:
    """Take the user back from the other server."""
    server = _find(name)
    state = request.GET.get("state", "")
    login = None
    if request.user.is_authenticated:
        login = logins.take(request.session, request.user.pk, state)
    if login is None or login.server != name:
        reason = _(
            "This login was not begun in this browser, or too long ago, or it is "
            "over. Nothing was connected. Begin again."
        )
        return _show_page(request, server, reason, status=400)
    # What was taken stays taken, whatever comes of it.
    request.session.save()
    oauth = server.login_for(request.user, _client_metadata_url(request))
    query = request.META.get("QUERY_STRING", "")
    try:
        _wait(lambda: oauth.finish_login(server.url, query))
    except MCPError as error:
        return _show_failure(request, server, error)
    text = _("Your account of %(server)s is connected.") % {"server": server.title}
    messages.success(request, text, fail_silently=True)
    next_url = _safe_next(request, login.next_url)
    return HttpResponseRedirect(next_url or reverse("mcp_accounts:accounts"))


@transaction.non_atomic_requests
@never_cache
@login_required
@require_POST
def disconnect(request: HttpRequest) -> HttpResponse:
    """Forget an account, and have its server forget the tokens where it can."""
    url = request.POST.get("url", "")
    account = Account.objects.at(request.user.pk, url)
    if account.exists():
        try:
            _wait(lambda: _oauth_of(request, url).forget(url))
        except MCPError as error:
            logger.info("%s was not told of a user who disconnected: %s", url, error)
            text = _("The other server could not be told: end the access there, too.")
            messages.warning(request, text, fail_silently=True)
        account.delete()
        messages.success(request, _("The account is forgotten."), fail_silently=True)
    return HttpResponseRedirect(reverse("mcp_accounts:accounts"))


@login_not_required
@require_safe
def describe_client(request: HttpRequest) -> HttpResponse:
    """Describe this site to authorization servers: a client ID metadata document.

    Spec: 2025-11-25 basic/authorization, "Client ID Metadata Documents".
    """
    origin = origin_of(request)
    document = {
        "client_id": origin + reverse("mcp_accounts:client"),
        "client_name": client_name(),
        "client_uri": f"{origin}/",
        "redirect_uris": [
            origin + reverse("mcp_accounts:callback", args=[name])
            for name in other_servers()
        ],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return JsonResponse(document, headers={"Cache-Control": "max-age=3600"})


# Parts of pages -----------------------------------------------------------------


def _row(
    request: HttpRequest, url: str, server: OtherServer | None, account: Account | None
) -> Row:
    scopes: Iterable[str] | None = None
    is_connected = False
    if account is not None:
        oauth = _oauth_of(request, url)
        is_connected = _wait(lambda: oauth.is_logged_in(url))
        scopes = _wait(lambda: oauth.granted_scopes(url))
    return Row(
        url=url,
        title=server.title if server else urlsplit(url).netloc,
        name=server.name if server else "",
        is_known=account is not None,
        is_connected=is_connected,
        scopes=sorted(scopes or ()),
        is_lost=account is not None and not account.is_readable,
    )


def _show_failure(
    request: HttpRequest, server: OtherServer, error: MCPError
) -> HttpResponse:
    """Say why an account was not connected."""
    if isinstance(error, LoginFailed) and error.error == "access_denied":
        reason = _("You did not allow it, or the other server did not let you.")
        return _show_page(request, server, reason)
    logger.warning(
        "an account at %s was not connected, as its user was told: %s",
        server.url,
        error,
        of=server.url,
    )
    # Ours, or the other server's, and in English; the template escapes it.
    return _show_page(request, server, str(error), status=502, is_english=True)


def _show_page(
    request: HttpRequest,
    server: OtherServer,
    reason: str,
    *,
    status: int = 200,
    is_english: bool = False,
) -> HttpResponse:
    context = {"server": server, "reason": reason, "is_english": is_english}
    template = "mcp_django/accounts/failed.html"
    return render_page(request, template, context, status=status)


def _find(name: str) -> OtherServer:
    server = other_servers().get(name)
    if server is None:
        raise Http404(f"MCP['OTHER_SERVERS'] has no {name!r:.100}")
    return server


def _safe_next(request: HttpRequest, url: str) -> str:
    """Give the URL back if it is one of this site; else ""."""
    is_safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe else ""


def _scopes_of(request: HttpRequest) -> frozenset[str]:
    """Read which scopes are needed beside those that are configured."""
    text = request.GET.get("scope", "")
    if len(text) > _MAX_SCOPE_CHARACTERS:
        raise SuspiciousOperation("too many scopes")
    scopes = read_scopes(text)
    if scopes != frozenset(text.split()):
        raise SuspiciousOperation("scopes with characters that no scope has")
    return scopes


def _client_metadata_url(request: HttpRequest) -> str | None:
    """Say where this site describes itself; nowhere for one without TLS."""
    origin = origin_of(request)
    if not origin.startswith("https://"):
        return None
    return origin + reverse("mcp_accounts:client")


def _oauth_of(request: HttpRequest, url: str) -> OAuth:
    """Give what knows a user's account, also at a server that is configured no more."""
    for server in other_servers().values():
        if server.url == url:
            return server.auth_for(request.user)
    return OAuth(storage=AccountStorage(request.user.pk))


def _wait(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask other servers in a view, within a time.

    Raises:
        MCPError: It was in vain.
    """

    async def ask_in_time() -> T:
        with anyio.move_on_after(OTHERS_SECONDS):
            return await ask()
        raise LoginFailed(
            f"the other server did not answer within {OTHERS_SECONDS:g} seconds"
        )

    answer: T = async_to_sync(ask_in_time)()
    return answer
