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

from mcp_django.protocol.jsonrpc import JSONObject

Change: TypeAlias = (
    ToolListChangedNotification
    | PromptListChangedNotification
    | ResourceListChangedNotification
    | ResourceUpdatedNotification
)

_KINDS: Final[dict[str, type[Change]]] = {
    "notifications/tools/list_changed": ToolListChangedNotification,
    "notifications/prompts/list_changed": PromptListChangedNotification,
    "notifications/resources/list_changed": ResourceListChangedNotification,
    "notifications/resources/updated": ResourceUpdatedNotification,
}
_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class Changes:
    """What changed, in the order in which it was heard, for `async for`.

    What changes again before it was looked at is told once, so that little is held for
    those who are slow. The iteration ends when the server ends the subscription, and
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
            self._news = anyio.Event()
            await self._news.wait()
        key = next(iter(self._heard))
        return self._heard.pop(key)

    def hear(self, method: str, params: JSONObject) -> None:
        """Take a notification, if it is one that is wanted."""
        if method == _ACKNOWLEDGED:
            self._acknowledge(params)
            return
        uri = params.get("uri", "")
        if method not in _KINDS or not self._wants(method, uri):
            return
        try:
            change = _KINDS[method].model_validate({"method": method, "params": params})
        except ValidationError:
            return
        self._heard[(method, uri)] = change
        self._news.set()

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
        try:
            said = SubscriptionsAcknowledgedNotificationParams.model_validate(params)
        except ValidationError:
            self.settle(SubscriptionFilter())
        else:
            self.settle(said.notifications)

    def _wants(self, method: str, uri: str) -> bool:
        wanted = self._wanted
        match method:
            case "notifications/tools/list_changed":
                return bool(wanted.tools_list_changed)
            case "notifications/prompts/list_changed":
                return bool(wanted.prompts_list_changed)
            case "notifications/resources/list_changed":
                return bool(wanted.resources_list_changed)
            case _:
                return uri in (wanted.resource_subscriptions or ())


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
