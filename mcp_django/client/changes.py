"""Changes that a server tells of, as they are heard."""

from __future__ import annotations

from typing import Final, TypeAlias

import anyio
from mcp_types import (
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    ServerCapabilities,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotificationParams,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.uris import UriSet, normalize

logger = FaultLog("mcp_django.client")

Change: TypeAlias = (
    ToolListChangedNotification
    | PromptListChangedNotification
    | ResourceListChangedNotification
    | ResourceUpdatedNotification
)

_LISTS: Final[dict[str, type[Change]]] = {
    "notifications/tools/list_changed": ToolListChangedNotification,
    "notifications/prompts/list_changed": PromptListChangedNotification,
    "notifications/resources/list_changed": ResourceListChangedNotification,
}
_UPDATED: Final = "notifications/resources/updated"

_MAX_HEARD: Final = 1000
"""Parts of resources whose changes wait to be looked at, each by itself."""

_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class Changes:
    """What changed, in the order in which it was heard, for `async for`.

    What changes again before it was looked at is told once, so that little is held for
    slow programs. The iteration ends when the server ends the subscription, and
    raises when the connection is lost: what changed since then is not known.

    Args:
        wanted: What to tell of.

    Attributes:
        honored: What the server agreed to tell of.

    Spec: 2026-07-28 basic/patterns/subscriptions.
    """

    def __init__(self, wanted: SubscriptionFilter) -> None:
        self.honored = SubscriptionFilter()
        self.is_settled = anyio.Event()
        self._wanted = wanted
        self._resources = UriSet()
        for uri in wanted.resource_subscriptions or ():
            self._resources.add(uri)
        # (method, URI) -> the change; in order.
        self._heard: dict[tuple[str, str], Change] = {}
        self._news = anyio.Event()
        self._is_over = False
        self._error: Exception | None = None

    def __aiter__(self) -> Changes:
        """Give itself."""
        return self

    async def __anext__(self) -> Change:
        """Wait for the next change."""
        while not self._heard:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()
        key = next(iter(self._heard))
        return self._heard.pop(key)

    def hear(self, method: str, params: JSONObject) -> None:
        """Take a notification, if it is one that is wanted."""
        try:
            if method == _ACKNOWLEDGED:
                self._acknowledge(params)
            elif method == _UPDATED:
                self._hear_updated(params)
            elif method in _LISTS and _includes(self._wanted, method):
                change = _LISTS[method].model_validate({"params": params})
                self._keep((method, ""), change)
        except ValidationError as error:
            logger.warning(
                "%s is not heard, by fault of the server: %s",
                method,
                describe_faults(error),
                of=method,
            )

    def hear_all(self) -> None:
        """Take all that the server tells of as changed, for it may be."""
        for method in _LISTS:
            if _includes(self.honored, method):
                self.hear(method, {})
        for uri in self.honored.resource_subscriptions or ():
            self.hear(_UPDATED, {"uri": uri})

    def settle(self, honored: SubscriptionFilter) -> None:
        """Note what the server agreed to tell of."""
        self.honored = honored
        self.is_settled.set()

    def end(self, error: Exception | None = None) -> None:
        """Note that nothing more will be heard.

        Args:
            error: Why; None if the server said so.
        """
        self._is_over, self._error = True, error
        self._news.set()
        self.is_settled.set()

    def raise_if_refused(self) -> None:
        """Raise what ended it before it began."""
        if self._error is not None:
            raise self._error

    def _acknowledge(self, params: JSONObject) -> None:
        if self.is_settled.is_set():
            return
        try:
            said = SubscriptionsAcknowledgedNotificationParams.model_validate(params)
        except ValidationError as error:
            faults = describe_faults(error)
            self.end(RemoteProtocolError(f"{_ACKNOWLEDGED}: {faults}"))
        else:
            self.settle(said.notifications)

    def _hear_updated(self, params: JSONObject) -> None:
        """Take the change of a resource that is wanted, or of a part of one.

        Spec: 2026-07-28 schema.ts, `ResourceUpdatedNotificationParams`.
        """
        change = ResourceUpdatedNotification.model_validate({"params": params})
        uri = change.params.uri
        same = self._resources.written(uri)
        for wanted in same or self._around(uri):
            # That something in it has changed has to do where much waits.
            is_named = bool(same) or len(self._heard) >= _MAX_HEARD
            named = wanted if is_named else uri
            if named != uri:
                said = {**params, "uri": named}
                change = ResourceUpdatedNotification.model_validate({"params": said})
            self._keep((_UPDATED, named), change)

    def _around(self, uri: str) -> list[str]:
        """Give the resource that is listened to and that another is a part of."""
        normal = normalize(uri)
        return [
            wanted
            for wanted in self._resources
            if normal.startswith(normalize(wanted).removesuffix("/") + "/")
        ][:1]

    def _keep(self, key: tuple[str, str], change: Change) -> None:
        self._heard[key] = change
        self._news.set()


def _includes(chosen: SubscriptionFilter, method: str) -> bool:
    """Say whether a filter lets the changes of a list pass."""
    match method:
        case "notifications/tools/list_changed":
            return bool(chosen.tools_list_changed)
        case "notifications/prompts/list_changed":
            return bool(chosen.prompts_list_changed)
        case _:
            return bool(chosen.resources_list_changed)


def offered_of(
    wanted: SubscriptionFilter, capabilities: ServerCapabilities
) -> SubscriptionFilter:
    """Say what a legacy server tells of, by what it declared."""

    def is_offered(feature: object) -> bool | None:
        return bool(getattr(feature, "list_changed", None)) or None

    return SubscriptionFilter(
        tools_list_changed=wanted.tools_list_changed and is_offered(capabilities.tools),
        prompts_list_changed=wanted.prompts_list_changed
        and is_offered(capabilities.prompts),
        resources_list_changed=wanted.resources_list_changed
        and is_offered(capabilities.resources),
        resource_subscriptions=wanted.resource_subscriptions
        if capabilities.resources is not None and capabilities.resources.subscribe
        else None,
    )
