"""What a peer still has to answer."""

from __future__ import annotations

from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_django.protocol.jsonrpc import Message


class OwedAnswers:
    """Requests sent to a peer that it has yet to answer, because its user ponders.

    A user who ponders may read nothing meanwhile, and is not to be cut off for that.
    """

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        # A set in all but type: an empty dict takes a third of the memory.
        self._ids: dict[RequestId, None] = {}

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._ids)

    def note_sent(self, message: Message) -> None:
        """Keep in mind that the peer has yet to answer, if it is a request."""
        if isinstance(message, JSONRPCRequest):
            self._ids[message.id] = None

    def note_withdrawn(self, message: Message) -> None:
        """Keep in mind that the peer need not answer, if it is a cancellation.

        Spec: 2025-11-25 basic/utilities/cancellation.
        """
        match message:
            case JSONRPCNotification(
                method="notifications/cancelled", params={"requestId": id}
            ):
                self._ids.pop(id, None)

    def note_received(self, message: Message) -> bool:
        """Say whether a message answers one of them, which is then answered."""
        if isinstance(message, JSONRPCRequest | JSONRPCNotification):
            return False
        if message.id not in self._ids:
            return False
        self._ids.pop(message.id, None)
        return True
