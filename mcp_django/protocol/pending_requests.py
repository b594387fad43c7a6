"""Requests of a two-way connection that wait for their answer."""

from __future__ import annotations

from typing import Final

from mcp_types import CancelledNotificationParams
from mcp_types.jsonrpc import JSONRPCNotification, RequestId
from pydantic import ValidationError

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Event, Ignored, Notified, RequestCancelled
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.models import read_as

CANCELLED: Final = "notifications/cancelled"


class PendingRequests(dict[RequestId, bool]):
    """The ids of such requests, of one era; `pop(id, False)` says whether one waited.

    A set in all but type: an empty dict takes a third of the memory, and idle sessions
    are many.
    """

    __slots__ = ()

    def receive(self, message: JSONRPCNotification) -> Event:
        """Take a notification, which may cancel a request, and say what it means.

        Spec: 2025-11-25 basic/utilities/cancellation, "Error Handling"; 2026-07-28
        basic/patterns/cancellation.
        """
        event = read_notification(message)
        if isinstance(event, RequestCancelled) and not self.pop(event.id, False):
            return _nothing_to_cancel(event.id)
        return event


def read_notification(
    message: JSONRPCNotification,
) -> RequestCancelled | Notified | Ignored:
    """Say what a notification means by itself: it may cancel a request."""
    params = message.params or {}
    if message.method != CANCELLED:
        return Notified(message.method, params)
    try:
        cancelled = read_as(CancelledNotificationParams, params)
    except ValidationError as error:
        return Ignored(describe_faults(error))
    if cancelled.request_id is None:
        return _nothing_to_cancel(None)
    return RequestCancelled(cancelled.request_id, cancelled.reason)


def cancellation(id: RequestId, reason: str) -> JSONRPCNotification:
    """Tell the peer that the answer to a request is no longer wanted."""
    return jsonrpc.notification(CANCELLED, {"requestId": id, "reason": reason})


def used_twice(id: RequestId) -> Ignored:
    """Ignore a request with the id of one that waits for its answer still."""
    return Ignored(f"request id {id!r} is in flight already")


def _nothing_to_cancel(id: RequestId | None) -> Ignored:
    return Ignored(f"nothing to cancel: request {id!r} is not in flight")
