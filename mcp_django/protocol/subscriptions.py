"""What a client that listens for changes is told, in the modern era.

Spec: 2026-07-28 basic/patterns/subscriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from mcp_types import SubscriptionFilter
from mcp_types.jsonrpc import JSONRPCNotification, RequestId

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.uris import UriSet, normalize

SUBSCRIPTION_ID_META_KEY: Final = "io.modelcontextprotocol/subscriptionId"


class Subscription:
    """What one `subscriptions/listen` request is told.

    Args:
        id: Of the request; every message carries it.
        honored: What the server agreed to tell.
        key_of: As for `UriSet`.

    Attributes:
        uris: Resources that it is told of.

    Spec: 2026-07-28 basic/patterns/subscriptions.
    """

    __slots__ = ("_honored", "_methods", "id", "uris")

    def __init__(
        self,
        id: RequestId,
        honored: SubscriptionFilter,
        key_of: Callable[[str], str] = normalize,
    ) -> None:
        self.id = id
        self._honored = honored
        self.uris = UriSet(key_of)
        for uri in honored.resource_subscriptions or ():
            self.uris.add(uri)
        self._methods = frozenset(_methods_of(honored))

    @property
    def acknowledgement(self) -> JSONRPCNotification:
        """The first message of the subscription: what it will be told."""
        honored = self._honored.model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        return jsonrpc.notification(
            "notifications/subscriptions/acknowledged",
            {"_meta": self._meta, "notifications": honored},
        )

    @property
    def result(self) -> JSONObject:
        """The answer to the request, when the server ends the subscription."""
        return {"_meta": self._meta}

    def notification(
        self, method: str, params: Mapping[str, Any]
    ) -> JSONRPCNotification | None:
        """Make the notification of a change; None if the client did not ask for it."""
        is_wanted = (
            params["uri"] in self.uris if "uri" in params else method in self._methods
        )
        if not is_wanted:
            return None
        return jsonrpc.notification(method, {"_meta": self._meta, **params})

    @property
    def _meta(self) -> JSONObject:
        return {SUBSCRIPTION_ID_META_KEY: self.id}


def _methods_of(honored: SubscriptionFilter) -> Iterable[str]:
    if honored.tools_list_changed:
        yield "notifications/tools/list_changed"
    if honored.prompts_list_changed:
        yield "notifications/prompts/list_changed"
    if honored.resources_list_changed:
        yield "notifications/resources/list_changed"
