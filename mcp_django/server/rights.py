"""What the permissions of features say of one request.

Permissions are code of the site: each is asked within a bound, and one that hangs
neither holds up the others nor takes their features away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.decisions import settle, truth_of
from mcp_django.bulkheads.faults import says_away
from mcp_django.bulkheads.strays import ends_task
from mcp_django.exceptions import ServiceAway
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.permissions import (
    A_FUNCTION,
    AnyFeature,
    Condition,
    Feature,
    service_of_django,
)
from mcp_django.server.requests import Request

if TYPE_CHECKING:
    from mcp_django.server.server import Server


async def permitted(
    server: Server, request: Request, features: Iterable[AnyFeature]
) -> Sequence[AnyFeature]:
    """Keep the features that the user of a request may see and use.

    What only decides about one object is not asked. What a function decides that does
    not answer is left out, so that it takes the rest from no user.

    Raises:
        ServiceAway: Django's permissions, or the database, do not answer.
    """
    features = list(features)
    if all(feature.permission is None for feature in features):
        return features
    needed = [
        () if feature.permission is None else feature.permission.general
        for feature in features
    ]
    hold = await _Decisions(server, request, leaves_out=True).hold(needed)
    return [feature for feature, holds in zip(features, hold, strict=True) if holds]


async def is_permitted(server: Server, request: Request, feature: Feature) -> bool:
    """Say whether the user of a request may see and use a feature.

    Raises:
        ServiceAway: That cannot be asked now.
    """
    if feature.permission is None:
        return True
    [holds] = await _Decisions(server, request).hold([feature.permission.general])
    return holds


async def is_permitted_for(
    server: Server, request: Request, feature: Feature, values: Mapping[str, Any]
) -> bool:
    """Say whether the user of a request may use a feature with these arguments.

    Args:
        server: Where the feature is.
        request: Of the user who asks; what decides about the feature was asked before.
        feature: The feature.
        values: Arguments for its handler, checked already.

    Raises:
        ServiceAway: That cannot be asked now.
    """
    permission = feature.permission
    if permission is None or not permission.particular:
        return True
    return await hold(server, request, permission.particular, values)


async def hold(
    server: Server,
    request: Request,
    conditions: Sequence[Condition],
    values: Mapping[str, Any],
) -> bool:
    """Say whether conditions are true of the user of a request and some arguments.

    Raises:
        ServiceAway: That cannot be asked now.
    """
    [holds] = await _Decisions(server, request, values).hold([conditions])
    return holds


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a permission raised that was asked, and so has answered."""

    error: BaseException


class _Decisions:
    """What is decided for one request; each condition is asked once.

    Args:
        server: Where the features are.
        request: Of the user who asks.
        values: Arguments for the handler, checked already.
        leaves_out: Whether a function that does not answer means no.
    """

    def __init__(
        self,
        server: Server,
        request: Request,
        values: Mapping[str, Any] | None = None,
        *,
        leaves_out: bool = False,
    ) -> None:
        self._server = server
        self._request = request
        self._values = values or {}
        self._leaves_out = leaves_out
        self._found: dict[str | int, bool | ServiceAway] = {}
        self._asked: dict[str | int, anyio.Event] = {}

    async def hold(self, needed: Sequence[Sequence[Condition]]) -> list[bool]:
        """Say for each series of conditions whether all of them are true.

        Raises:
            ServiceAway: That cannot be asked now.
        """
        distinct = {
            tuple(c.key for c in conditions): conditions for conditions in needed
        }
        named = [[c for c in series if c.is_named] for series in distinct.values()]
        if any(named):
            await self._ask_django(named)
        asking = [
            series
            for series in distinct.values()
            if not all(condition.is_named for condition in series)
        ]
        if len(asking) > 1:
            # Side by side, so that the slow ones are waited for together.
            async with anyio.create_task_group() as tasks:
                for series in asking:
                    tasks.start_soon(self._find_out, series)
        return [await self._hold_all(conditions) for conditions in needed]

    async def _find_out(self, conditions: Sequence[Condition]) -> None:
        with suppress(ServiceAway):  # It is kept, for those that ask again.
            await self._hold_all(conditions)

    async def _hold_all(self, conditions: Sequence[Condition]) -> bool:
        for condition in conditions:
            found = await self._find(condition)
            if isinstance(found, ServiceAway):
                # Not the database that it asks, which all the others need, too.
                if self._leaves_out and found.service == A_FUNCTION:
                    return False
                raise found
            if not found:
                return False
        return True

    async def _find(self, condition: Condition) -> bool | ServiceAway:
        key = condition.key
        while key not in self._found:
            if key in self._asked:
                await self._asked[key].wait()
                continue
            asked = self._asked[key] = anyio.Event()
            try:
                self._found[key] = await self._ask(condition)
            except ServiceAway as away:
                self._found[key] = away
            finally:
                del self._asked[key]
                asked.set()
        return self._found[key]

    # Django's permissions -----------------------------------------------------------

    async def _ask_django(self, needed: Sequence[Sequence[Condition]]) -> None:
        """Ask for all that have names together, as far as they are needed."""
        context = SyncContext(
            self._server, self._request, anyio.lowlevel.current_token()
        )
        found: dict[Condition, Any] = {}

        def ask() -> None:
            said: dict[str | int, Any] = {}
            for conditions in needed:
                for condition in conditions:
                    key = condition.key
                    if key not in said:
                        said[key] = found[condition] = self._call(condition, context)
                    if said[key] is False:
                        break

        async def decide() -> None:
            await databases.ask_in_thread(self._request.ask_in_thread, ask)
            for condition, said in found.items():
                found[condition] = await self._settle(said)

        await service_of_django().ask(partial(databases.ask, decide))
        for condition, said in found.items():
            self._found[condition.key] = self._truth_of(condition, said)

    # Functions ----------------------------------------------------------------------

    async def _ask(self, condition: Condition) -> bool:
        decide = partial(self._decide, condition)
        assert condition.service is not None
        said = await condition.service.ask(partial(databases.ask, decide))
        return self._truth_of(condition, said)

    async def _decide(self, condition: Condition) -> Any:
        if condition.is_async:
            return await self._settle(
                self._call(condition, Context(self._server, self._request))
            )
        context: Context | SyncContext = Context(self._server, self._request)
        if condition.context is SyncContext:
            token = anyio.lowlevel.current_token()
            context = SyncContext(self._server, self._request, token)
        call = partial(self._call, condition, context)
        said = await databases.ask_in_thread(self._request.ask_in_thread, call)
        return await self._settle(said)

    async def _settle(self, said: Any) -> Any:
        try:
            return await settle(said, self._request.lend_beside)
        except BaseException as error:
            if ends_task(error) or says_away(error):
                raise
            return _Raised(error)

    def _call(self, condition: Condition, context: Context | SyncContext) -> Any:
        try:
            return condition.ask(context, self._values)
        except BaseException as error:  # whatever; nothing is thrown in
            if says_away(error):
                raise
            return _Raised(error)

    def _truth_of(self, condition: Condition, said: Any) -> bool:
        if isinstance(said, _Raised):
            return condition.refuse(self._request, said.error)
        try:
            return truth_of(said)
        except BaseException as error:  # whatever; nothing is thrown in
            return condition.refuse(self._request, error)
