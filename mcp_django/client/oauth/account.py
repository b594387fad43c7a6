"""The tokens for one MCP server: kept, refreshed or granted; one task at a time."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final, TypeVar

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth.addresses import is_same_issuer, shown
from mcp_django.client.oauth.challenges import Challenge
from mcp_django.client.oauth.discovery import find_resource
from mcp_django.client.oauth.documents import (
    KnownClient,
    Record,
    ServerMetadata,
    Tokens,
)
from mcp_django.client.oauth.fetching import Fetcher, opened
from mcp_django.client.oauth.finishing import finished
from mcp_django.client.oauth.granting import CLIENT_UNKNOWN, Granting
from mcp_django.client.oauth.logins import Login
from mcp_django.client.oauth.options import Options
from mcp_django.client.oauth.records import Records, with_client, with_tokens
from mcp_django.client.oauth.tokens import ask_for_tokens, revoke
from mcp_django.exceptions import OAuthError, OAuthFault, OAuthRefused

logger = FaultLog("mcp_django.client")

T = TypeVar("T")

EARLY_SECONDS: Final = 15.0
"""How long before its end a token is refreshed."""


DECLINED_SECONDS: Final = 300.0
"""How long a user is not asked again for rights that they did not give."""


class Source(Enum):
    """Where a token is from."""

    KEPT = auto()
    REFRESHED = auto()
    GRANTED = auto()


@dataclass(frozen=True, slots=True)
class Need:
    """Why another token is needed.

    Attributes:
        challenge: What the server refused us with; None if it did not say.
        refused: The token that will not do; None if there was none.
        missing: Scopes that it lacks; empty if it is no good at all.
        may_refresh: Whether one by the refresh token may be better.
    """

    challenge: Challenge | None = None
    refused: Tokens | None = None
    missing: frozenset[str] = frozenset()
    may_refresh: bool = True

    def is_met_by(self, tokens: Tokens) -> bool:
        """Say whether a token that others got meanwhile will do."""
        is_other = (
            self.refused is None or tokens.access_token != self.refused.access_token
        )
        has_scopes = tokens.scopes is None or self.missing <= tokens.scopes
        return is_other and has_scopes and not is_ending(tokens)


def is_ending(tokens: Tokens, within: float = EARLY_SECONDS) -> bool:
    """Say whether a token ends within some seconds."""
    return tokens.expires_at is not None and tokens.expires_at <= time.time() + within


class Account:
    """What one user, or one program, has at one MCP server.

    Args:
        url: Canonical URL of the MCP server.
        options: How to work.
    """

    def __init__(self, url: str, options: Options) -> None:
        self._url = url
        self._options = options
        self._records = Records(url, options.storage)
        self._granting = Granting(url, options, self._records)
        self._tokens: Tokens | None = None
        self._declined: Mapping[str, float] = {}
        self._failures = 0
        self._last_failure: OAuthError | None = None

    async def current(self) -> Tokens | None:
        """Give the token to use; None if none is known that has not ended.

        One that is about to end is refreshed.

        Raises:
            OAuthError: It has ended, and cannot be refreshed now.
        """
        tokens = self._tokens or (await self._records.load()).tokens
        if tokens is not None and is_ending(tokens):
            tokens = await self._not_ending(tokens)
        self._tokens = tokens
        return tokens

    async def renew(self, need: Need) -> tuple[Tokens, Source]:
        """Give another token: that of another task, a refreshed one, or a new one.

        Raises:
            OAuthError: There is none.
        """

        async def renew() -> tuple[Tokens, Source]:
            record = await self._records.load()
            if record.tokens is not None and need.is_met_by(record.tokens):
                return record.tokens, Source.KEPT
            if need.may_refresh and not need.missing:
                tokens = await self._refresh(record, need.challenge)
                if tokens is not None:
                    return tokens, Source.REFRESHED
                record = await self._records.load()
            return await self._grant(record, need), Source.GRANTED

        self._tokens = None
        tokens, source = await self._exclusively(renew)
        self._tokens = tokens
        return tokens, source

    async def _grant(self, record: Record, need: Need) -> Tokens:
        """Have a token granted, unless that was refused a moment ago.

        Spec: 2026-07-28 basic/authorization, "Step-Up Authorization Flow".
        """
        now = time.monotonic()
        lately = {name for name, end in self._declined.items() if end > now}
        if need.missing & lately:
            names = " ".join(sorted(need.missing & lately))
            raise OAuthRefused(
                f"the scopes {names[:300]!r} were asked for at {shown(self._url)} a "
                "moment ago, and not granted",
                error="insufficient_scope",
            )
        tokens = await self._granting.get(record, need.challenge, need.missing)
        granted = need.missing if tokens.scopes is None else tokens.scopes
        self._declined = dict.fromkeys(need.missing - granted, now + DECLINED_SECONDS)
        return tokens

    async def begin_login(self, redirect_uri: str, scopes: frozenset[str]) -> Login:
        """Begin a login; see `OAuth.begin_login`."""

        async def begin() -> Login:
            record = await self._records.load()
            return await self._granting.begin(record, redirect_uri, scopes)

        return await self._exclusively(begin)

    async def finish_login(self, query: str) -> None:
        """Take what a user came back with; see `OAuth.finish_login`."""

        async def finish() -> Tokens:
            return await self._granting.finish(await self._records.load(), query)

        self._tokens = await self._exclusively(finish)

    async def has_tokens(self) -> bool:
        """Say whether there are tokens; see `OAuth.is_logged_in`."""
        tokens = (await self._records.load()).tokens
        return tokens is not None and (
            tokens.refresh_token is not None or not is_ending(tokens, within=0)
        )

    async def granted_scopes(self) -> frozenset[str] | None:
        """Give what the token permits; see `OAuth.granted_scopes`."""
        tokens = (await self._records.load()).tokens
        return None if tokens is None else tokens.scopes

    async def forget(self) -> None:
        """Forget all, and give the tokens back; see `OAuth.forget`."""

        async def forget() -> None:
            record = await self._records.load()
            await self._records.delete()
            known = _client_of(record)
            if known is not None and record.tokens is not None:
                async with self._fetcher() as fetcher:
                    await revoke(fetcher, *known, self._options.client, record.tokens)

        self._tokens = None
        await self._exclusively(forget)

    # Refreshing -----------------------------------------------------------------

    async def _not_ending(self, tokens: Tokens) -> Tokens | None:
        """Refresh a token that is about to end; failing that, use it until then."""
        try:
            return await self._exclusively(partial(self._refresh_ending, tokens))
        except OAuthError:
            if is_ending(tokens, within=0):
                raise
            logger.warning(
                "a token could not be refreshed yet; it is used until it ends",
                exc_info=True,
            )
            return tokens

    async def _refresh_ending(self, ending: Tokens) -> Tokens | None:
        """Refresh a token that is about to end, unless that was done meanwhile."""
        record = await self._records.load()
        tokens = record.tokens
        if tokens is None:
            return None
        # Some live so shortly that they are about to end from the first.
        is_other = tokens.access_token != ending.access_token
        if not is_ending(tokens, within=0.0 if is_other else EARLY_SECONDS):
            return tokens
        refreshed = await self._refresh(record, None)
        if refreshed is None and not is_ending(tokens, within=0):
            # Without a refresh token it may be used until its end.
            return (await self._records.load()).tokens
        return refreshed

    async def _refresh(
        self, record: Record, challenge: Challenge | None
    ) -> Tokens | None:
        """Get new tokens by the refresh token, and keep them.

        Args:
            record: What is known.
            challenge: What the server refused us with; None if it was not asked.

        Returns:
            The tokens; None if only a new grant can help.

        Raises:
            OAuthError: The authorization server cannot be asked now, or refuses for
                another reason than the token.
        """
        tokens, known = record.tokens, _client_of(record)
        if tokens is None or tokens.refresh_token is None or known is None:
            return None
        server, client = known
        old = tokens.refresh_token
        async with self._fetcher() as fetcher:
            if challenge is not None and await self._has_moved(
                fetcher, challenge, server
            ):
                return None

            async def refresh() -> Tokens:
                refreshed = await ask_for_tokens(
                    fetcher,
                    server,
                    client,
                    self._options.client,
                    grant={"grant_type": "refresh_token", "refresh_token": old},
                    resource=tokens.resource,
                    scopes=tokens.scopes,
                )
                if refreshed.refresh_token is None:
                    # Spec: RFC 6749, section 6: then the old one goes on.
                    refreshed = refreshed.model_copy(update={"refresh_token": old})
                await self._records.keep(with_tokens(record, refreshed))
                return refreshed

            try:
                return await finished(refresh)
            except OAuthRefused as error:
                await self._give_up(error, record, server, client)
                return None

    async def _has_moved(
        self, fetcher: Fetcher, challenge: Challenge, server: ServerMetadata
    ) -> bool:
        """Say whether a server takes tokens of this authorization server no more."""
        trust = self._options.trust
        try:
            found = await find_resource(fetcher, self._url, challenge, trust)
        except OAuthFault as error:
            logger.debug("who gives tokens was not to be found out: %s", error)
            return False
        return not any(is_same_issuer(server.issuer, one) for one in found.issuers)

    async def _give_up(
        self,
        error: OAuthRefused,
        record: Record,
        server: ServerMetadata,
        client: KnownClient,
    ) -> None:
        """Forget tokens that are no good, or as whom we came.

        Raises:
            OAuthRefused: It was refused for something else.
        """
        if error.error == "invalid_grant":
            record = with_tokens(record, None)
        elif error.error in CLIENT_UNKNOWN and client.is_registered:
            record = with_client(record, server, None)
        else:
            raise error
        logger.info("%s; a new login is needed", error)
        await self._records.keep(record)

    # One at a time --------------------------------------------------------------

    async def _exclusively(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run what changes the record while nothing else does.

        Raises:
            OAuthError: It failed, or so did what was waited for: if a user says no to
                one of several tasks, the others must not ask again. Or others have been
                at it for too long.
        """
        failures = self._failures
        with anyio.CancelScope() as waiting:
            seconds = self._options.login_timeout + self._options.timeout
            waiting.deadline = anyio.current_time() + seconds
            async with self._options.storage.lock(self._url):
                waiting.deadline = math.inf
                if self._failures != failures and self._last_failure is not None:
                    raise copy.copy(self._last_failure)
                try:
                    return await work()
                except OAuthError as error:
                    self._failures += 1
                    self._last_failure = error
                    raise
        raise OAuthError(
            f"others have been logging in at {shown(self._url)} for more than "
            f"{seconds:g} seconds"
        )

    def _fetcher(self) -> AbstractAsyncContextManager[Fetcher]:
        options = self._options
        return opened(options.http, options.verify, options.timeout)


def _client_of(record: Record) -> tuple[ServerMetadata, KnownClient] | None:
    """Give who gave the tokens of a record, and to whom, if it still says so."""
    tokens, server = record.tokens, record.server
    if tokens is None or server is None or server.issuer != tokens.issuer:
        return None
    client = record.clients.get(server.issuer)
    if client is None or client.client_id != tokens.client_id:
        return None
    return server, client
