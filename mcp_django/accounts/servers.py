"""The servers at which users may have accounts: those of `MCP["OTHER_SERVERS"]`.

Only these, whatever a user asks for: none makes the site send requests elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import slugify

from mcp_django.accounts.models import URL_LENGTH
from mcp_django.accounts.storage import AccountStorage
from mcp_django.auth.interface import User
from mcp_django.client.oauth.addresses import canonical
from mcp_django.client.oauth.auth import OAuth
from mcp_django.client.oauth.clients import RegisteredClient
from mcp_django.conf import mcp_settings
from mcp_django.consumers.origins import is_origin
from mcp_django.exceptions import LoginRequired
from mcp_django.transports.client.http_library import httpx2

_KEYS: Final = frozenset(
    {
        *("url", "title", "scopes", "client_id", "client_secret"),
        *("trusted_origins", "allow_http"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherServer:
    """A server at which users of the site may have accounts.

    Attributes:
        name: In `MCP["OTHER_SERVERS"]`, and in the URLs of the pages.
        url: Of the MCP server; what to give to `Client` and `SyncClient`.
        title: What users are shown.
        scopes: What to ask for; None for what the server says it takes.
        client: As whom the authorization server knows the site; None to register.
        trusted_origins: Where the authorization server's endpoints may be beside its
            own origin.
        allow_http: Whether tokens may go to another machine without TLS.
    """

    name: str
    url: str
    title: str
    scopes: frozenset[str] | None = None
    client: RegisteredClient | None = field(default=None, repr=False)
    trusted_origins: frozenset[str] = frozenset()
    allow_http: bool = False

    def auth_for(self, user: User) -> OAuth:
        """Give what logs a client in as a user, by the account that they connected.

        It asks no server yet, so that it may be called in async code, too. A client
        that is used with it raises `LoginRequired` where the user has to connect first,
        or again, or to allow more.

        Args:
            user: One of the site's, who is logged in.

        Raises:
            LoginRequired: The user is not logged in to this site.
        """
        if user.pk is None:
            raise LoginRequired(
                f"the user is not logged in here, so has no account at {self.url}",
                url=self.url,
            )
        return self._oauth(user.pk, adds=False)

    def login_for(self, user: User, client_metadata_url: str | None) -> OAuth:
        """Give what takes a user to the page of the server, and keeps the account.

        Args:
            user: One of the site's, who is logged in.
            client_metadata_url: Where the site describes itself; None for nowhere.
        """
        return self._oauth(user.pk, adds=True, client_metadata_url=client_metadata_url)

    def connect_url(self, *, next_url: str = "", scopes: Iterable[str] = ()) -> str:
        """Give the path of the page where a user connects an account, or allows more.

        Args:
            next_url: Where to go afterwards, on this site.
            scopes: What to ask for beside what is configured.
        """
        query = {"next": next_url, "scope": " ".join(sorted(scopes))}
        given = urlencode({name: value for name, value in query.items() if value})
        path = reverse("mcp_accounts:connect", args=[self.name])
        return f"{path}?{given}" if given else path

    def redirect_to_connect(
        self, request: HttpRequest, error: LoginRequired | None = None
    ) -> HttpResponseRedirect:
        """Send a user to connect an account, and back to where they are.

        Args:
            request: Of a page that needs the account.
            error: Why; says which scopes are needed.
        """
        is_page = request.method in ("GET", "HEAD")
        return HttpResponseRedirect(
            self.connect_url(
                next_url=request.get_full_path() if is_page else "",
                scopes=(error.scopes if error is not None else None) or (),
            )
        )

    def _oauth(
        self, user_id: Any, *, adds: bool, client_metadata_url: str | None = None
    ) -> OAuth:
        return OAuth(
            storage=AccountStorage(user_id, adds=adds),
            client=self.client,
            client_metadata_url=client_metadata_url,
            client_name=client_name(),
            scopes=self.scopes,
            trusted_origins=self.trusted_origins,
            allow_http=self.allow_http,
        )


def other_server(name: str) -> OtherServer:
    """Find a server of `MCP["OTHER_SERVERS"]`.

    Raises:
        ImproperlyConfigured: There is none of this name, or it is configured wrongly.
    """
    found = other_servers().get(name)
    if found is None:
        raise ImproperlyConfigured(
            f"MCP['OTHER_SERVERS'] has no {name!r:.100}; it has "
            f"{sorted(mcp_settings.OTHER_SERVERS)!r}"
        )
    return found


def other_servers() -> Mapping[str, OtherServer]:
    """Give all servers of `MCP["OTHER_SERVERS"]`, by name.

    Raises:
        ImproperlyConfigured: One of them is configured wrongly.
    """
    return _read()


@lru_cache(maxsize=1)
def _read() -> Mapping[str, OtherServer]:
    return {
        name: read_server(name, given)
        for name, given in mcp_settings.OTHER_SERVERS.items()
    }


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "MCP":
        _read.cache_clear()


def read_server(name: object, given: object) -> OtherServer:
    """Read one entry of `MCP["OTHER_SERVERS"]`.

    Raises:
        ImproperlyConfigured: Something is wrong; says what it should be.
    """
    place = f"MCP['OTHER_SERVERS'][{name!r:.100}]"
    if not isinstance(name, str) or not name or slugify(name) != name:
        raise ImproperlyConfigured(
            f"{place}: its name has to be of small letters, digits, '-' and '_', as it "
            "stands in URLs"
        )
    if not isinstance(given, Mapping) or not given.keys() <= _KEYS:
        raise ImproperlyConfigured(
            f"{place} has to be a dictionary of {sorted(_KEYS)!r}"
        )
    for key in ("url", "title", "client_id", "client_secret"):
        if not isinstance(given.get(key) or "", str):
            raise ImproperlyConfigured(f"{place}[{key!r}] has to be a string")
    allow_http = given.get("allow_http", False)
    if not isinstance(allow_http, bool):
        raise ImproperlyConfigured(f"{place}['allow_http'] has to be True or False")
    url = _read_url(place, given.get("url"))
    return OtherServer(
        name=name,
        url=url,
        title=given.get("title") or urlsplit(url).netloc,
        scopes=_read_scopes(place, given.get("scopes")),
        client=_read_client(place, given),
        trusted_origins=_read_origins(place, given.get("trusted_origins", ())),
        allow_http=allow_http,
    )


def _read_url(place: str, url: Any) -> str:
    """Read a URL, in the form by which its tokens are kept."""
    try:
        parsed = httpx2.URL(url or "")
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise ImproperlyConfigured(
            f"{place}['url'] has to be the URL of an MCP server, such as "
            "'https://warehouse.example/mcp'"
        )
    if len(canonical(parsed)) > URL_LENGTH:
        raise ImproperlyConfigured(
            f"{place}['url'] has more than {URL_LENGTH} characters"
        )
    return canonical(parsed)


def _read_scopes(place: str, scopes: Any) -> frozenset[str] | None:
    if scopes is None:
        return None
    is_right = isinstance(scopes, list | tuple | set | frozenset) and all(
        isinstance(scope, str) and scope and scope.isprintable() and " " not in scope
        for scope in scopes
    )
    if not is_right:
        raise ImproperlyConfigured(
            f"{place}['scopes'] has to be a list of scopes such as 'stock:read', or "
            "None for what the server says it takes"
        )
    return frozenset(scopes)


def _read_origins(place: str, origins: Any) -> frozenset[str]:
    if not isinstance(origins, list | tuple | set | frozenset) or not all(
        isinstance(origin, str) and is_origin(origin) for origin in origins
    ):
        raise ImproperlyConfigured(
            f"{place}['trusted_origins'] has to be a list of origins such as "
            "'https://login.example', without a path"
        )
    return frozenset(origins)


def _read_client(place: str, given: Mapping[str, Any]) -> RegisteredClient | None:
    client_id, secret = given.get("client_id"), given.get("client_secret")
    if not client_id:
        if secret or "client_id" in given:
            raise ImproperlyConfigured(
                f"{place}['client_id'] is empty; is its variable set? Leave it out "
                "for the site to register by itself"
            )
        return None
    return RegisteredClient(client_id, secret=secret or None)


def client_name() -> str:
    """Name this site to the users of other servers."""
    hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    public = urlsplit(mcp_settings.PUBLIC_URL or "").hostname
    return mcp_settings.SITE_NAME or public or next(iter(hosts), "Django")
