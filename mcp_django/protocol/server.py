"""The server's half of a two-way connection that serves both eras.

The era is chosen for each message by what it carries, so that one client may use both.
"""

from __future__ import annotations

from collections.abc import Callable

from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.protocol.events import Event, Peer
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import LegacyServerProtocol, State
from mcp_django.protocol.modern import ModernServerProtocol, is_modern


class ServerProtocol:
    """Decides what the messages of one connection mean, whatever their era.

    Args:
        describe: As for `LegacyServerProtocol`.
        server_info: As for `ModernServerProtocol`.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions".
    """

    __slots__ = ("_legacy", "_modern")

    def __init__(
        self, describe: Callable[[str], JSONObject], server_info: JSONObject
    ) -> None:
        self._legacy = LegacyServerProtocol(describe)
        self._modern = ModernServerProtocol(server_info)

    @property
    def state(self) -> State:
        """Where the legacy session stands."""
        return self._legacy.state

    @property
    def peer(self) -> Peer:
        """What the client of the legacy session said of itself, if that is open."""
        return self._legacy.peer

    @property
    def takes_batches(self) -> bool:
        """Whether the peer may send batches."""
        return self._legacy.takes_batches

    def has_pending(self, id: RequestId) -> bool:
        """Say whether a request waits for its answer."""
        return self._modern.has_pending(id) or self._legacy.has_pending(id)

    def receive(self, message: Message) -> Event:
        """Take one message from the peer and say what it means."""
        match message:
            case JSONRPCRequest(id=id):
                # The id of a pending request keeps its era, which ignores another one.
                if self._modern.has_pending(id) or (
                    is_modern(message) and not self._legacy.has_pending(id)
                ):
                    return self._modern.receive(message)
            case JSONRPCNotification(params={"requestId": str() | int() as id}):
                if self._modern.has_pending(id):
                    return self._modern.receive(message)
        return self._legacy.receive(message)

    def settle(self, id: RequestId) -> bool:
        """Let a request wait no longer: it is answered now; False if it was cancelled.

        For drivers that write the answer by themselves.
        """
        return self._modern.settle(id) or self._legacy.settle(id)

    def send_result(self, id: RequestId, result: JSONObject) -> JSONRPCResponse | None:
        """Answer a request; None if it was cancelled and wants no answer."""
        return self._era_of(id).send_result(id, result)

    def send_error(
        self, id: RequestId, code: int, message: str, data: object = None
    ) -> JSONRPCError | None:
        """Answer a request with an error; None if it was cancelled."""
        return self._era_of(id).send_error(id, code, message, data)

    def send_ask(self, method: str, params: JSONObject) -> JSONRPCRequest:
        """Ask the peer of the legacy session something.

        Raises:
            LocalProtocolError: There is no open session.
        """
        return self._legacy.send_ask(method, params)

    def send_ask_cancelled(self, id: RequestId, reason: str) -> JSONRPCNotification:
        """Tell the peer that an answer is no longer wanted."""
        return self._legacy.send_ask_cancelled(id, reason)

    def _era_of(self, id: RequestId) -> LegacyServerProtocol | ModernServerProtocol:
        """Find the half of the protocol in which a request waits for its answer."""
        return self._modern if self._modern.has_pending(id) else self._legacy
