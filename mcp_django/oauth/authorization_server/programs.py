"""The page of programs that may act as a user, where they revoke them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_protect
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)

from mcp_django.auth.grants import Grant
from mcp_django.oauth.authorization_server.introductions import (
    Destination,
    ScopeInWords,
    in_words,
    title_of,
    visible,
)
from mcp_django.oauth.authorization_server.issuing import end_tokens
from mcp_django.oauth.models import Consent
from mcp_django.oauth.resources import find_resource
from mcp_django.rendering import render_page
from mcp_django.signals import credentials_changed


@dataclass(frozen=True, slots=True)
class Permit:
    """That a program may act as a user at one endpoint.

    Attributes:
        client_id: Names the program.
        resource: URL of the endpoint; "" for a token that names none.
        scopes: Names of what it may do.
        name: What it called itself when it was allowed.
        host: Where the user was sent then.
        allowed_at: When that was; None for what was not allowed on our page.
        last_used_at: When it last acted; None for never.
    """

    client_id: str
    resource: str
    scopes: Collection[str]
    name: str = ""
    host: str = ""
    allowed_at: datetime | None = None
    last_used_at: datetime | None = None


def permits_of(user: Any) -> list[Permit]:
    """List what programs may act as a user: those allowed, and others with tokens."""
    found = {
        (consent.client_id, consent.resource): Permit(
            consent.client_id,
            consent.resource,
            consent.scopes,
            consent.client_name,
            consent.redirect_host,
            consent.created_at,
            consent.last_used_at,
        )
        for consent in Consent.objects.filter(user_id=user.pk)
    }
    for permit in _permits_by_token(user):
        found.setdefault((permit.client_id, permit.resource), permit)
    return list(found.values())


def _permits_by_token(user: Any) -> Iterator[Permit]:
    """Give what tokens allow that are still good, also those without a consent."""
    for token in _live_tokens(user_id=user.pk, application__isnull=False):
        granted = getattr(token, "access_token", None) or token
        scopes = getattr(granted, "scope", "").split()
        for resource in token.resource or [""]:
            yield Permit(
                token.application.client_id, resource, scopes, token.application.name
            )


def _live_tokens(**named: Any) -> list[Any]:
    """Give access tokens, and then refresh tokens, that are still good."""
    now = timezone.now()
    access = get_access_token_model().objects.filter(expires__gt=now, **named)
    refresh = get_refresh_token_model().objects.filter(revoked=None, **named)
    return [
        *access.select_related("application"),
        *refresh.select_related("application", "access_token"),
    ]


def live_tokens_of(consent: Consent) -> list[Any]:
    """Give the rows of tokens by which a program acts as it was allowed to."""
    named = {"user_id": consent.user_id, "application__client_id": consent.client_id}
    return [row for row in _live_tokens(**named) if consent.resource in row.resource]


def revoke(user: Any, client_id: str, resource: str) -> None:
    """End what a program may do as a user at one endpoint, and all of its tokens there.

    What it has open there ends at the next look (`MCP["RECHECK_SECONDS"]`).

    Args:
        user: For whom it acts.
        client_id: Names the program.
        resource: URL of the endpoint; "" for all of the program's tokens.
    """
    using = router.db_for_write(Consent)
    with transaction.atomic(using):
        Consent.objects.filter(
            user_id=user.pk, client_id=client_id, resource=resource
        ).delete()
        for application in get_application_model().objects.filter(client_id=client_id):
            end_tokens(user.pk, application, resource or None)
        credentials_changed.send(Consent, user_id=user.pk, using=using)


@dataclass(frozen=True, slots=True)
class Program:
    """A permit, as the page shows it.

    Attributes:
        permit: It.
        name: Of the program, in characters that can be seen.
        server_title: What the endpoint calls itself; "" if there is none any more.
        scopes: What it may do, in words.
    """

    permit: Permit
    name: str
    server_title: str
    scopes: Collection[ScopeInWords]

    @property
    def revoke_url(self) -> str:
        """Where the user is asked whether to revoke it."""
        named = {"client_id": self.permit.client_id, "resource": self.permit.resource}
        return f"{reverse('mcp_oauth:program_revoke')}?{urlencode(named)}"

    @property
    def destination(self) -> Destination:
        """Where the user was sent when they allowed it, if that is known."""
        return Destination.named(self.permit.host)

    @property
    def resource(self) -> str:
        """URL of the endpoint."""
        return self.permit.resource

    @property
    def allowed_at(self) -> datetime | None:
        """When it was allowed."""
        return self.permit.allowed_at

    @property
    def last_used_at(self) -> datetime | None:
        """When it last acted."""
        return self.permit.last_used_at


def describe(permit: Permit, request: HttpRequest) -> Program:
    """Put a permit into words."""
    resource = find_resource(permit.resource, request)
    return Program(
        permit,
        visible(permit.name) or permit.client_id,
        "" if resource is None else title_of(resource.server),
        in_words(permit.scopes, {} if resource is None else resource.scopes),
    )


def find_grants(request: HttpRequest) -> list[Grant]:
    """Give the permits of a request's user, for a page of others that shows them."""
    try:
        return [
            Grant(
                name=program.name,
                revoke_url=f"{program.revoke_url}&{urlencode({'next': request.path})}",
                template="mcp_django/oauth/program_facts.html",
                program=program,
            )
            for program in (describe(p, request) for p in permits_of(request.user))
        ]
    except NoReverseMatch:
        return []  # Our URLs are not included, so that nothing was granted by them.


class ProgramsView(LoginRequiredMixin, View):
    """Lists the programs that may act as the user who looks."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them, the newest first."""
        programs = [describe(permit, request) for permit in permits_of(request.user)]
        return render_page(
            request, "mcp_django/oauth/programs.html", {"programs": programs}
        )


@method_decorator(csrf_protect, name="dispatch")
class RevokeProgramView(LoginRequiredMixin, View):
    """Asks whether to revoke one program at one endpoint, and does it."""

    http_method_names = ("get", "head", "post", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask."""
        program = describe(self._find(request), request)
        page = {"program": program, "back_url": _back_url(request)}
        return render_page(request, "mcp_django/oauth/revoke.html", page)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Revoke it."""
        permit = self._find(request)
        revoke(request.user, permit.client_id, permit.resource)
        name = visible(permit.name) or permit.client_id
        messages.success(
            request,
            _("“%(name)s” may not act as you any more.") % {"name": name},
            fail_silently=True,
        )
        return HttpResponseRedirect(_back_url(request))

    def _find(self, request: HttpRequest) -> Permit:
        named = request.GET.get("client_id", ""), request.GET.get("resource", "")
        for permit in permits_of(request.user):
            if (permit.client_id, permit.resource) == named:
                return permit
        raise Http404("no such program may act as this user")


def _back_url(request: HttpRequest) -> str:
    """Say which page the user came from: ours, or another of the site."""
    back = request.GET.get("next", "")
    is_of_site = url_has_allowed_host_and_scheme(
        back, {request.get_host()}, require_https=request.is_secure()
    )
    return back if is_of_site else reverse("mcp_oauth:programs")
