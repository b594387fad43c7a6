"""`OAuth`: the `auth` object of a client, for servers that want a token of OAuth."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import nullcontext
from typing import Final

from mcp_django.client.oauth.account import Account, Need, Source
from mcp_django.client.oauth.addresses import canonical, check_secure, origin_of, shown
from mcp_django.client.oauth.challenges import parse_challenges
from mcp_django.client.oauth.clients import RegisteredClient
from mcp_django.client.oauth.discovery import Trust
from mcp_django.client.oauth.documents import Tokens
from mcp_django.client.oauth.fetching import bearer_challenge_of, hide
from mcp_django.client.oauth.grants import Grant
from mcp_django.client.oauth.logins import Login
from mcp_django.client.oauth.options import Options
from mcp_django.client.oauth.redirect import Redirect
from mcp_django.client.oauth.storage import MemoryStorage, Storage
from mcp_django.exceptions import LocalProtocolError, OAuthRefused
from mcp_django.transports.client.http_auth import HOLD, SERVER_URL, drop_content
from mcp_django.transports.client.http_failures import is_same_origin, parse_url
from mcp_django.transports.client.http_library import httpx2

MAX_RENEWALS: Final = 3
"""Tokens that are got anew for one request, one after the other."""

_MAX_SHOWN: Final = 300


class OAuth(httpx2.Auth):
    """Gets tokens for the servers that want them, and sends each to its own server.

    ::

        auth = OAuth(storage=FileStorage("tokens.json"), redirect=Loopback())
        async with Client("https://example.com/mcp", auth=auth) as client:
            ...

    It finds out from the server's refusal where to log in, registers there if it must,
    has the user log in, and sends the request again. Later it refreshes the token, or
    asks for more rights when a request needs them. What it must not believe, it does
    not: then no token is sent anywhere.

    One object may be used for several servers, clients, tasks and threads at once.

    Args:
        storage: Where tokens are kept; in memory if left out.
        redirect: How a user gets to the page of another server; None if there is no
            user, or they come by `begin_login`.
        grant: What entitles the program without a user; not together with `redirect`.
        client: As whom an authorization server knows this program; None to register.
        client_metadata_url: Where this program's own metadata is published, by which
            servers that know such documents know it. https, with a path.
        client_name: What users are shown where the program registers itself.
        scopes: What to ask for at first; None for what the server says it needs.
        http: The `httpx2.AsyncClient` to use for what OAuth asks; it stays open.
        verify: TLS settings, such as a CA of your own; not together with `http`.
        timeout: Seconds to find out where to log in, and for each question after that.
        login_timeout: Seconds that a user may take.
        trusted_origins: Where an authorization server's endpoints may be beside its own
            origin, such as "https://oauth2.googleapis.com"; and where the server itself
            may be on this computer, if the MCP server is elsewhere.
        allow_http: Whether tokens may go over plain HTTP to other computers.

    Raises:
        ValueError: These do not go together.

    Spec: 2026-07-28 basic/authorization.
    """

    def __init__(
        self,
        *,
        storage: Storage | None = None,
        redirect: Redirect | None = None,
        grant: Grant | None = None,
        client: RegisteredClient | None = None,
        client_metadata_url: str | None = None,
        client_name: str = "mcp_django",
        scopes: Iterable[str] | None = None,
        http: httpx2.AsyncClient | None = None,
        verify: ssl.SSLContext | None = None,
        timeout: float = 30.0,
        login_timeout: float = 300.0,
        trusted_origins: Iterable[str] = (),
        allow_http: bool = False,
    ) -> None:
        if grant is not None and redirect is not None:
            raise ValueError("give grant or redirect: there is a user, or not")
        if http is not None and verify is not None:
            raise ValueError(
                "verify has no effect with http; make that with verify=... instead"
            )
        if client_metadata_url is not None:
            _check_metadata_url(client_metadata_url)
        if isinstance(scopes, str):
            scopes = scopes.split()
        origins = frozenset(origin_of(parse_url(one)) for one in trusted_origins)
        self._options = Options(
            storage=MemoryStorage() if storage is None else storage,
            redirect=redirect,
            grant=grant,
            client=client,
            client_metadata_url=client_metadata_url,
            client_name=client_name,
            scopes=None if scopes is None else frozenset(scopes),
            http=http,
            verify=verify,
            timeout=timeout,
            login_timeout=login_timeout,
            trust=Trust(origins, allow_http),
        )
        self._accounts: dict[str, Account] = {}

    # For httpx2 -----------------------------------------------------------------

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send a request with the token of its server, and once more with a better one.

        Raises:
            OAuthError: There is none that the server takes.
        """
        server: httpx2.URL = request.extensions.get(SERVER_URL, request.url)
        if not is_same_origin(server, request.url):
            yield request
            return
        hold = request.extensions.get(HOLD, nullcontext)
        account = self._account(server)
        with hold():
            tokens = await account.current()
        attempts = _Attempts(canonical(server), self._options.trust.allow_http)
        while True:
            attempts.prove(request, tokens)
            response = yield request
            need = attempts.need_of(response, tokens)
            if need is None:
                return
            await drop_content(response)
            with hold():
                tokens, source = await account.renew(need)
            attempts.note(need, source)

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Refuse to work without an event loop.

        Raises:
            LocalProtocolError: Always.
        """
        raise LocalProtocolError(
            "OAuth is for httpx2.AsyncClient, and for Client and SyncClient; "
            "httpx2.Client cannot use it"
        )
        yield request

    # For web applications -------------------------------------------------------

    async def begin_login(
        self, url: str, *, redirect_uri: str, scopes: Iterable[str] = ()
    ) -> Login:
        """Begin the login of a user who comes back by a request of its own.

        What has to be known then is kept in the storage, for ten minutes: another
        process may finish it. Bind `state` to the user's session, and refuse an answer
        with another one, or a user could be logged in with another's account.

        Args:
            url: Of the MCP server.
            redirect_uri: Where the user is to be sent back to.
            scopes: What is needed beside what was asked for before, such as those of
                `LoginRequired`.

        Returns:
            The page to send the user to, and the `state`.

        Raises:
            OAuthError: There is no way to log in.
        """
        account = self._account(parse_url(url))
        return await account.begin_login(redirect_uri, frozenset(scopes))

    async def finish_login(self, url: str, query: str) -> None:
        """Take what a user was sent back with, and keep the tokens.

        Args:
            url: Of the MCP server.
            query: Of the request to the redirect URI, such as Django's
                `request.META["QUERY_STRING"]`.

        Raises:
            LoginFailed: The user said no, or it is the answer to no login of ours.
            OAuthError: The authorization server gives no token for it.
        """
        await self._account(parse_url(url)).finish_login(query)

    async def is_logged_in(self, url: str) -> bool:
        """Say whether there is a token for a server, which it may still refuse."""
        return await self._account(parse_url(url)).has_tokens()

    async def granted_scopes(self, url: str) -> frozenset[str] | None:
        """Give what the token for a server permits; None if that is not known."""
        return await self._account(parse_url(url)).granted_scopes()

    async def forget(self, url: str) -> None:
        """Forget all that is known of a server, and give its tokens back.

        An authorization server that does not take them back is no error.
        """
        await self._account(parse_url(url)).forget()

    def _account(self, url: httpx2.URL) -> Account:
        name = canonical(url)
        return self._accounts.setdefault(name, Account(name, self._options))


def _check_metadata_url(url: str) -> None:
    """Refuse a URL that can be no client id.

    Spec: 2026-07-28 basic/authorization/client-registration, "Client ID Metadata
    Documents".
    """
    try:
        parsed = check_secure(url, allow_http=False)
    except ValueError as error:
        raise ValueError(f"client_metadata_url {shown(url)}: {error}") from None
    if parsed.scheme != "https" or parsed.path in ("", "/"):
        raise ValueError(f"client_metadata_url {shown(url)} needs https and a path")


class _Attempts:
    """The attempts to have one request carried out.

    Args:
        url: Canonical URL of the server.
        allow_http: Whether tokens may go over plain HTTP.
    """

    def __init__(self, url: str, allow_http: bool) -> None:
        self._url = url
        self._allow_http = allow_http
        self._count = 0
        self._source = Source.KEPT
        self._missing: frozenset[str] = frozenset()

    def prove(self, request: httpx2.Request, tokens: Tokens | None) -> None:
        """Put the token into a request.

        Raises:
            OAuthRefused: It would go over the network for all to read.
        """
        if tokens is None:
            return
        try:
            check_secure(self._url, allow_http=self._allow_http)
        except ValueError as error:
            raise OAuthRefused(
                f"no token is sent to {shown(self._url)}: {error}", error=""
            ) from None
        request.headers["authorization"] = f"Bearer {tokens.access_token}"

    def need_of(self, response: httpx2.Response, tokens: Tokens | None) -> Need | None:
        """Say what a response asks for; None if it is for the caller.

        Raises:
            OAuthRefused: The server refuses what it has just asked for.
        """
        if response.request.method == "DELETE":
            return None  # The end of a session is worth no login.
        challenge = bearer_challenge_of(response)
        if response.status_code == 401:
            return self._need_of_401(response, tokens)
        is_step_up = challenge is not None and challenge.error == "insufficient_scope"
        if response.status_code != 403 or not is_step_up:
            return None
        assert challenge is not None
        missing = challenge.scopes
        if not missing:
            return None
        # What is granted already, or was refused, is not asked for again.
        asked = self._missing | ((tokens.scopes if tokens else None) or frozenset())
        if missing <= asked or self._count == MAX_RENEWALS:
            raise self._refused(response, tokens, "insufficient_scope")
        return Need(challenge, tokens, missing)

    def _need_of_401(
        self, response: httpx2.Response, tokens: Tokens | None
    ) -> Need | None:
        challenge = bearer_challenge_of(response)
        headers = response.headers.get_list("www-authenticate")
        if challenge is None and parse_challenges(headers):
            return None  # It wants something else, such as a password.
        if self._source is Source.GRANTED or self._count == MAX_RENEWALS:
            raise self._refused(response, tokens, "invalid_token")
        may_refresh = self._source is not Source.REFRESHED
        return Need(challenge, tokens, may_refresh=may_refresh)

    def note(self, need: Need, source: Source) -> None:
        """Note that there is another token."""
        self._count += 1
        self._source = source
        self._missing |= need.missing

    def _refused(
        self, response: httpx2.Response, tokens: Tokens | None, error: str
    ) -> OAuthRefused:
        challenge = bearer_challenge_of(response)
        said = challenge.error if challenge is not None else ""
        parameters = challenge.parameters if challenge is not None else {}
        secrets = [tokens.access_token] if tokens is not None else []
        description = hide(parameters.get("error_description", ""), secrets)
        description = description[:_MAX_SHOWN]
        text = f"{shown(self._url)} refuses the token that was given for it"
        if error == "insufficient_scope":
            scopes = " ".join(sorted(challenge.scopes)) if challenge else ""
            text = (
                f"{shown(self._url)} demands the scopes {scopes[:_MAX_SHOWN]!r}, which "
                "were asked for and do not suffice, or were not granted"
            )
        if description:
            text += f": {description!r}"
        return OAuthRefused(text, error=said or error, description=description)
