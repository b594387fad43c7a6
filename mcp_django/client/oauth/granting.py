"""Has a token granted: finds out by whom, as whom to come, and asks.

Spec: 2026-07-28 basic/authorization, "Authorization Flow Steps" and "Scope Selection
Strategy".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth import discovery, logins
from mcp_django.client.oauth.addresses import is_same_issuer, shown
from mcp_django.client.oauth.challenges import Challenge
from mcp_django.client.oauth.documents import (
    KnownClient,
    PendingLogin,
    Record,
    ServerMetadata,
    Tokens,
)
from mcp_django.client.oauth.fetching import Fetcher, opened
from mcp_django.client.oauth.finishing import finished
from mcp_django.client.oauth.identification import identify, is_forgotten
from mcp_django.client.oauth.logins import Login
from mcp_django.client.oauth.options import Options
from mcp_django.client.oauth.records import Records, with_client, with_tokens
from mcp_django.client.oauth.tokens import ask_for_tokens
from mcp_django.exceptions import (
    LoginFailed,
    LoginRequired,
    OAuthFault,
    OAuthRefused,
)

logger = FaultLog("mcp_django.client")

MAX_LOGINS: Final = 10
"""Logins that are under way at once, for one server; the oldest goes first."""

LOGIN_SECONDS: Final = 600.0
"""How long the user of a web application may take."""

CLIENT_UNKNOWN: Final = ("invalid_client", "unauthorized_client")
"""Errors of an authorization server that does not know us, or no more."""

_OFFLINE: Final = "offline_access"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is needed to ask."""

    record: Record
    server: ServerMetadata
    client: KnownClient
    resource: str
    scopes: frozenset[str] | None


class Granting:
    """Has tokens granted for one MCP server.

    Its methods are called by one task at a time, under the storage's lock.

    Args:
        url: Canonical URL of the MCP server.
        options: How to work.
        records: Where what is found out is kept.
    """

    def __init__(self, url: str, options: Options, records: Records) -> None:
        self._url = url
        self._options = options
        self._records = records

    async def get(
        self, record: Record, challenge: Challenge | None, missing: frozenset[str]
    ) -> Tokens:
        """Have a token granted, by the user or without one, and keep it.

        Args:
            record: What is known.
            challenge: What the server refused us with.
            missing: Scopes that the token at hand lacks.

        Raises:
            LoginRequired: There has to be a user, and nothing here can ask them.
            OAuthError: There is none.
        """
        grant, redirect = self._options.grant, self._options.redirect
        if grant is None and redirect is None:
            scopes = self._scopes(record, challenge, missing, None)
            raise LoginRequired(
                f"a user has to log in at {shown(self._url)}, and nothing here can ask "
                "them; pass redirect=, or let them log in by begin_login",
                url=self._url,
                scopes=scopes,
            )
        async with self._fetcher() as fetcher:
            if grant is not None:
                return await self._ask(fetcher, record, challenge, missing)
            try:
                return await self._log_in(fetcher, record, challenge, missing)
            except OAuthRefused as error:
                record = await self._forget_client(error, record)
            return await self._log_in(fetcher, record, challenge, missing)

    async def begin(
        self,
        record: Record,
        redirect_uri: str,
        scopes: frozenset[str],
    ) -> Login:
        """Begin a login whose user comes back by a request of its own."""
        async with self._fetcher() as fetcher:
            challenge = await fetcher.challenge_of(self._url)
            login, pending, record = await self._begin(
                fetcher, record, challenge, scopes, redirect_uri
            )
        kept = sorted(record.logins.items(), key=lambda item: item[1].begun_at)
        underway = dict([*kept, (login.state, pending)][-MAX_LOGINS:])
        await self._records.keep(record.model_copy(update={"logins": underway}))
        return login

    async def finish(self, record: Record, query: str) -> Tokens:
        """Take what a user was sent back with, and keep the tokens that it is good for.

        Raises:
            LoginFailed: It belongs to no login, or says no.
            OAuthError: The code is good for nothing.
        """
        state = logins.parse_query(query).get("state", "")
        pending = record.logins.get(state)
        underway = {k: v for k, v in record.logins.items() if k != state}
        # Before anything is done with it: an answer is good for once.
        record = await self._records.keep(
            record.model_copy(update={"logins": underway})
        )
        if pending is None or pending.begun_at + LOGIN_SECONDS < time.time():
            raise LoginFailed(
                f"what came back belongs to no login at {shown(self._url)} that is "
                f"under way, or was begun more than {LOGIN_SECONDS:g} seconds ago"
            )
        async with self._fetcher() as fetcher:
            return await self._exchange(fetcher, record, query, state, pending)

    # By a user ------------------------------------------------------------------

    async def _log_in(
        self,
        fetcher: Fetcher,
        record: Record,
        challenge: Challenge | None,
        missing: frozenset[str],
    ) -> Tokens:
        """Take the user to the authorization server, and wait until they are back."""
        options = self._options
        assert options.redirect is not None
        async with options.redirect.receive(_registered_uri(record)) as receiver:
            login, pending, record = await self._begin(
                fetcher, record, challenge, missing, receiver.uri
            )
            query: str | None = None
            with anyio.move_on_after(options.login_timeout):
                query = await receiver.visit(login.url)
        if query is None:
            raise LoginFailed(
                f"nothing came back from the login at {shown(pending.server.issuer)} "
                f"within {options.login_timeout:g} seconds"
            )
        return await self._exchange(fetcher, record, query, login.state, pending)

    async def _begin(
        self,
        fetcher: Fetcher,
        record: Record,
        challenge: Challenge | None,
        missing: frozenset[str],
        redirect_uri: str,
    ) -> tuple[Login, PendingLogin, Record]:
        known = record.clients
        prepare = partial(self._prepare, fetcher, challenge=challenge, missing=missing)
        with self._bounded(fetcher):
            ready = await prepare(record, redirect_uri=redirect_uri)
            login, pending = _begin(ready, redirect_uri)
            is_old = ready.client == known.get(ready.server.issuer)
            if is_old and await is_forgotten(fetcher, ready.client, login.url):
                logger.info("%s has forgotten us", shown(ready.server.issuer))
                record = with_client(ready.record, ready.server, None)
                ready = await prepare(record, redirect_uri=redirect_uri)
                login, pending = _begin(ready, redirect_uri)
        return login, pending, ready.record

    async def _exchange(
        self,
        fetcher: Fetcher,
        record: Record,
        query: str,
        state: str,
        pending: PendingLogin,
    ) -> Tokens:
        """Get the tokens that the answer of a login is good for, and keep them."""

        async def exchange() -> Tokens:
            tokens = await ask_for_tokens(
                fetcher,
                pending.server,
                pending.client,
                self._options.client,
                grant={
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": pending.redirect_uri,
                    "code_verifier": pending.verifier,
                },
                resource=pending.resource,
                scopes=pending.scopes,
            )
            named = with_client(record, pending.server, pending.client)
            await self._keep(named, tokens, pending.scopes)
            return tokens

        try:
            code = logins.read_answer(query, state, pending)
            return await finished(exchange)
        except (LoginFailed, OAuthRefused) as error:
            if error.error == "invalid_scope":
                # Or what it does not know any more would be asked for again.
                fewer = record.model_copy(update={"asked_scopes": None})
                await self._records.keep(fewer)
            raise

    async def _forget_client(self, error: OAuthRefused, record: Record) -> Record:
        """Forget as whom we came, if the authorization server knows us no more.

        Raises:
            OAuthRefused: That is not why it refused, or nothing can be done about it.
        """
        record = await self._records.load()
        server = record.server
        client = record.clients.get(server.issuer) if server is not None else None
        is_ours = client is not None and client.is_registered
        if error.error not in CLIENT_UNKNOWN or server is None or not is_ours:
            raise error
        return await self._records.keep(with_client(record, server, None))

    # By what the program has ----------------------------------------------------

    async def _ask(
        self,
        fetcher: Fetcher,
        record: Record,
        challenge: Challenge | None,
        missing: frozenset[str],
    ) -> Tokens:
        grant = self._options.grant
        assert grant is not None
        with self._bounded(fetcher):
            ready = await self._prepare(
                fetcher, record, challenge=challenge, missing=missing, redirect_uri=None
            )
        form = dict(await grant.form(ready.server.issuer, ready.resource))
        if ready.scopes:
            form["scope"] = " ".join(sorted(ready.scopes))
        tokens = await ask_for_tokens(
            fetcher,
            ready.server,
            ready.client,
            self._options.client,
            grant=form,
            resource=ready.resource,
            scopes=ready.scopes,
        )
        await self._keep(ready.record, tokens, ready.scopes)
        return tokens

    @contextmanager
    def _bounded(self, fetcher: Fetcher) -> Iterator[None]:
        """Bound the time of several questions, which each have a bound, too.

        Raises:
            OAuthFault: It is over.
        """
        seconds = self._options.timeout
        try:
            with anyio.fail_after(seconds):
                yield
        except TimeoutError:
            raise OAuthFault(
                f"to find out where to log in took more than {seconds:g} seconds; "
                f"{shown(fetcher.asked)} was asked last"
            ) from None

    # What both need -------------------------------------------------------------

    async def _keep(
        self, record: Record, tokens: Tokens, asked: frozenset[str] | None
    ) -> None:
        """Keep tokens, and what was asked for: what came to nothing is not kept."""
        asked = None if asked is None else asked - {_OFFLINE}
        named = record.model_copy(update={"asked_scopes": asked})
        await self._records.keep(with_tokens(named, tokens))

    async def _prepare(
        self,
        fetcher: Fetcher,
        record: Record,
        *,
        challenge: Challenge | None,
        missing: frozenset[str],
        redirect_uri: str | None,
    ) -> _Prepared:
        """Find out whom to ask, as whom, and for what; and keep it."""
        trust = self._options.trust
        found = await discovery.find_resource(fetcher, self._url, challenge, trust)
        server = await self._choose(fetcher, record, found)
        scopes = self._scopes(record, challenge, missing, found.scopes)
        # Not for good: another authorization server may not know it.
        has_offline = _OFFLINE in (server.scopes_supported or ())
        if scopes and has_offline and self._options.grant is None:
            scopes |= {_OFFLINE}
        client = await identify(
            fetcher, self._options, record, server, redirect_uri, scopes
        )
        record = await self._records.keep(with_client(record, server, client))
        return _Prepared(record, server, client, found.resource, scopes)

    async def _choose(
        self, fetcher: Fetcher, record: Record, found: discovery.Found
    ) -> ServerMetadata:
        """Choose an authorization server: one we know, or else the first that works.

        Raises:
            OAuthFault: None works; says what is wrong with the first.
        """
        given = self._options.client
        known = {record.server.issuer} if record.server is not None else set()
        known |= {given.issuer} if given is not None and given.issuer else set()
        # Sorting keeps the server's order among equals.
        issuers = sorted(found.issuers, key=lambda one: not _is_among(one, known))
        server = await discovery.first_found(
            issuers,
            lambda issuer: discovery.find_server(
                fetcher, found, issuer, self._options.trust
            ),
        )
        assert server is not None  # each is found, or is a fault
        return server

    def _scopes(
        self,
        record: Record,
        challenge: Challenge | None,
        missing: frozenset[str],
        supported: frozenset[str] | None,
    ) -> frozenset[str] | None:
        """Choose what to ask for: what was asked for before, and what is needed now.

        Args:
            record: What is known.
            challenge: What the server refused us with.
            missing: Scopes that are needed beyond that.
            supported: Those that the server says it needs; None if it does not.

        Spec: 2026-07-28 basic/authorization, "Scope Selection Strategy" and "Step-Up
        Authorization Flow".
        """
        named = challenge.scopes if challenge is not None else frozenset()
        first = self._options.scopes or named or supported
        before = record.asked_scopes
        if first is None and before is None and not missing:
            return None
        return (before or frozenset()) | (first or frozenset()) | missing

    def _fetcher(self) -> AbstractAsyncContextManager[Fetcher]:
        options = self._options
        return opened(options.http, options.verify, options.timeout)


def _begin(ready: _Prepared, redirect_uri: str) -> tuple[Login, PendingLogin]:
    return logins.begin(
        ready.server,
        ready.client,
        redirect_uri=redirect_uri,
        resource=ready.resource,
        scopes=ready.scopes,
    )


def _is_among(issuer: str, known: Iterable[str]) -> bool:
    return any(is_same_issuer(issuer, one) for one in known)


def _registered_uri(record: Record) -> str | None:
    """Give the redirect URI that the authorization server knows, if it does."""
    if record.server is None:
        return None
    client = record.clients.get(record.server.issuer)
    return next(iter(client.redirect_uris), None) if client is not None else None
