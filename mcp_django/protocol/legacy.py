"""The server's half of the legacy era: `initialize`, then a session."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from mcp_types import (
    CancelledNotificationParams,
    ClientCapabilities,
    Implementation,
    InitializeRequestParams,
)
from mcp_types.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError
from pydantic_core import to_json

from mcp_django.exceptions import LocalProtocolError, RemoteProtocolError
from mcp_django.protocol import jsonrpc, methods, versions
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Peer,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.models import read_as
from mcp_django.protocol.pending_requests import InFlight

MAX_KEPT_BYTES: Final = 262_144
"""What a client says of itself, as JSON, which a session keeps as long as it lasts."""

_UNKNOWN_PEER = Peer(
    versions.LATEST_LEGACY, Implementation(name="", version=""), ClientCapabilities()
)


class State(Enum):
    """Where a session stands."""

    NEW = auto()
    OPEN = auto()


class LegacyServerProtocol:
    """Decides what the messages of one legacy session mean.

    ::

        NEW --initialize--> OPEN --initialize--> OPEN

    In NEW only `initialize` and `ping` are answered; other requests that we know are
    refused. The client's `notifications/initialized` changes nothing: clients that
    forget it are served all the same, and those that are early too.

    Clients initialize once, says the specification; gateways in front of clients do so
    again, and cannot connect where that is refused. So it is answered. If the client
    says the same of itself as before, its session goes on, with all that runs. If not,
    or if the id is that of a request in flight, somebody has begun anew: then what was
    asked has no answer to come, and the driver hears `SessionRestarted`.

    Args:
        describe: Called for each `initialize`, with the negotiated version; returns
            the rest of the `InitializeResult`: capabilities, serverInfo, instructions.

    Attributes:
        state: Where the session stands.
        peer: What the client said of itself, in OPEN.
    """

    __slots__ = (
        "_asked",
        "_describe",
        "_in_flight",
        "_last_ask",
        "peer",
        "state",
    )

    def __init__(self, describe: Callable[[str], JSONObject]) -> None:
        self._describe = describe
        self._in_flight = InFlight()
        # A set in all but type, as in `InFlight`.
        self._asked: dict[RequestId, None] = {}
        self._last_ask = 0
        self.state = State.NEW
        self.peer = _UNKNOWN_PEER

    @property
    def takes_batches(self) -> bool:
        """Whether the peer may send batches.

        Spec: 2025-03-26 basic, "Batching"; no other version has them.
        """
        return self.state is State.OPEN and self.peer.version in versions.BATCHES

    def has_in_flight(self, id: RequestId) -> bool:
        """Say whether a request waits for its answer."""
        return id in self._in_flight

    def receive(self, message: Message) -> Event:
        """Take one message from the peer and say what it means."""
        match message:
            case JSONRPCRequest():
                return self._receive_request(message)
            case JSONRPCNotification():
                return self._in_flight.receive(message)
            case _:
                return self._receive_answer(message)

    def settle(self, id: RequestId) -> bool:
        """Let a request wait no longer: it is answered now; False if it was cancelled.

        For drivers that write the answer by themselves.
        """
        return self._in_flight.remove(id)

    def send_result(self, id: RequestId, result: JSONObject) -> JSONRPCResponse | None:
        """Answer a request; None if it was cancelled and wants no answer."""
        if not self.settle(id):
            return None
        return jsonrpc.result(id, result)

    def send_error(
        self, id: RequestId, code: int, message: str, data: object = None
    ) -> JSONRPCError | None:
        """Answer a request with an error; None if it was cancelled."""
        if not self.settle(id):
            return None
        return jsonrpc.error(id, code, message, data)

    def send_ask(self, method: str, params: JSONObject) -> JSONRPCRequest:
        """Ask the peer something; its answer comes as `AnswerReceived`.

        Raises:
            LocalProtocolError: The session is not open yet.
        """
        if self.state is not State.OPEN:
            raise LocalProtocolError(
                f"cannot send {method!r} while session is {self.state.name.lower()}"
            )
        self._last_ask += 1
        id = f"ask-{self._last_ask}"
        self._asked[id] = None
        return jsonrpc.request(id, method, params)

    def send_ask_cancelled(self, id: RequestId, reason: str) -> JSONRPCNotification:
        """Tell the peer that an answer is no longer wanted."""
        self._asked.pop(id, None)
        return jsonrpc.notification(
            "notifications/cancelled", {"requestId": id, "reason": reason}
        )

    def _receive_request(self, message: JSONRPCRequest) -> Event:
        id, method = message.id, message.method
        if method == methods.INITIALIZE:
            return self._receive_initialize(message)
        if id in self._in_flight:
            return Ignored(f"request id {id!r} is in flight already")
        answer = answer_at_once(message)
        if answer is not None:
            return Answered(answer)
        if self.state is State.NEW:
            return Answered(
                jsonrpc.error(
                    id, INVALID_REQUEST, f"send initialize first, then {method}"
                )
            )
        self._in_flight[id] = None
        return RequestReceived(id, method, message.params or {}, self.peer)

    def _receive_initialize(self, message: JSONRPCRequest) -> Event:
        try:
            peer = read_initialize(message)
        except RemoteProtocolError as error:
            if message.id in self._in_flight:
                return Ignored(f"request id {message.id!r} is in flight already")
            return Answered(jsonrpc.error(message.id, error.code, error.message))
        result = {"protocolVersion": peer.version, **self._describe(peer.version)}
        answer = jsonrpc.result(message.id, result)
        # Whoever uses the id of a request in flight does not know of that request.
        is_used = self._in_flight.remove(message.id)
        is_same = peer == self.peer and not is_used
        was_open = self.state is State.OPEN
        self.state, self.peer = State.OPEN, peer
        if not was_open or is_same:
            return Answered(answer)
        self._asked.clear()
        return SessionRestarted(answer, peer)

    def _receive_answer(self, message: JSONRPCResponse | JSONRPCError) -> Event:
        id = message.id
        if id is None or id not in self._asked:
            return Ignored(f"answer to {id!r}, which was not asked")
        del self._asked[id]
        return AnswerReceived(id, message)


def answer_at_once(message: JSONRPCRequest) -> JSONRPCResponse | JSONRPCError | None:
    """Answer what needs no handler: pings, and methods that there are not."""
    if message.method == methods.PING:
        return jsonrpc.result(message.id, {})
    method = methods.LEGACY.get(message.method)
    if method is None or not method.needs_session:
        text = f"unknown method: {message.method[:100]}"
        return jsonrpc.error(message.id, METHOD_NOT_FOUND, text)
    return None


def cancelled_id(message: JSONRPCNotification) -> RequestId | None:
    """Give the id of the request that a notification cancels; None if it does not."""
    if message.method != "notifications/cancelled":
        return None
    try:
        params = read_as(CancelledNotificationParams, message.params or {})
    except ValidationError:
        return None
    return params.request_id


def read_initialize(message: JSONRPCRequest) -> Peer:
    """Read what a client says of itself in `initialize`, and choose the version.

    Raises:
        RemoteProtocolError: The parameters are not those of `initialize`.

    Spec: 2025-11-25 basic/lifecycle, "Initialization".
    """
    try:
        params = read_as(InitializeRequestParams, message.params or {})
        said = len(to_json([params.client_info, params.capabilities]))
    except ValidationError as error:
        raise RemoteProtocolError(
            describe_faults(error), code=INVALID_PARAMS, request_id=message.id
        ) from None
    if said > MAX_KEPT_BYTES:
        raise RemoteProtocolError(
            f"clientInfo and capabilities are {said} bytes long; {MAX_KEPT_BYTES} are "
            "allowed",
            code=INVALID_PARAMS,
            request_id=message.id,
        )
    return Peer(
        versions.negotiate(params.protocol_version),
        params.client_info,
        params.capabilities,
    )
