"""The server's half of the legacy era: `initialize`, then a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, TypeGuard

from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.exceptions import LocalProtocolError, RemoteProtocolError
from mcp_django.protocol import jsonrpc, methods, versions
from mcp_django.protocol.error_codes import SESSION_NOT_FOUND
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Peer,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.http_statuses import refusal_of
from mcp_django.protocol.initialize import initialized, read_initialize
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.pending_requests import (
    PendingRequests,
    cancellation,
    read_notification,
    used_twice,
)

NOT_ASKED: Final = (
    "nothing waits for this answer; it was not asked, or it comes too late"
)

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
    or if the id is that of a pending request, another client has begun anew: then
    what was asked has no answer to come, and the driver hears `SessionRestarted`.

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
        "_last_ask",
        "_pending",
        "peer",
        "state",
    )

    def __init__(self, describe: Callable[[str], JSONObject]) -> None:
        self._describe = describe
        self._pending = PendingRequests()
        # A set in all but type, as in `PendingRequests`.
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

    def has_pending(self, id: RequestId) -> bool:
        """Say whether a request waits for its answer."""
        return id in self._pending

    def receive(self, message: Message) -> Event:
        """Take one message from the peer and say what it means."""
        match message:
            case JSONRPCRequest():
                return self._receive_request(message)
            case JSONRPCNotification():
                return self._pending.receive(message)
            case _:
                return self._receive_answer(message)

    def settle(self, id: RequestId) -> bool:
        """Let a request wait no longer: it is answered now; False if it was cancelled.

        For drivers that write the answer by themselves.
        """
        return self._pending.pop(id, False)

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
        return cancellation(id, reason)

    def _receive_request(self, message: JSONRPCRequest) -> Event:
        id, method = message.id, message.method
        if method == methods.INITIALIZE:
            return self._receive_initialize(message)
        if id in self._pending:
            return used_twice(id)
        answer = answer_at_once(message)
        if answer is not None:
            return Answered(answer)
        if self.state is State.NEW:
            return Answered(
                jsonrpc.error(
                    id, INVALID_REQUEST, f"send initialize first, then {method}"
                )
            )
        self._pending[id] = True
        return RequestReceived(id, method, message.params or {}, self.peer)

    def _receive_initialize(self, message: JSONRPCRequest) -> Event:
        try:
            peer = read_initialize(message)
        except RemoteProtocolError as error:
            if message.id in self._pending:
                return used_twice(message.id)
            return Answered(jsonrpc.error(message.id, error.code, error.message))
        answer = initialized(message.id, peer, self._describe(peer.version))
        # A client that uses the id of a pending request does not know of that one.
        is_used = self._pending.pop(message.id, False)
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


def is_initialize(posted: Message | list[Message]) -> TypeGuard[JSONRPCRequest]:
    """Tell whether what was posted is `initialize`, well-formed or not."""
    return isinstance(posted, JSONRPCRequest) and posted.method == methods.INITIALIZE


# What is posted over HTTP -----------------------------------------------------------


def receive_post(
    posted: Message | list[Message], headers: Mapping[str, str], peer: Peer | None
) -> Event | Sequence[Event]:
    """Say what it means that something was posted; nothing is remembered.

    Args:
        posted: A message, or a batch of them.
        headers: HTTP headers that came with it, names in lower case.
        peer: What `initialize` settled, of the session that the headers name; None if
            there is none.

    Returns:
        The event of a message, or those of a batch. `initialize` is a request that the
        driver answers, with `initialized`.

    Spec: 2025-11-25 basic/transports; 2025-03-26 basic, "Batching".
    """
    if is_initialize(posted):
        try:
            return _received(posted, read_initialize(posted))
        except RemoteProtocolError as error:
            return Answered(jsonrpc.error(posted.id, error.code, error.message))
    refused = check_headers(headers, peer)
    if refused is not None:
        return refused
    assert peer is not None  # as it has been checked
    if not isinstance(posted, list):
        return _receive_posted(posted, peer)
    try:
        _check_batch(posted, peer)
    except RemoteProtocolError as error:
        return refusal_of(error)
    return [_receive_posted(message, peer) for message in posted]


def check_headers(
    headers: Mapping[str, str], peer: Peer | None, http_method: str = "POST"
) -> Answered | None:
    """Say what is wrong with the headers of a request that needs a session.

    Args:
        headers: HTTP headers, names in lower case.
        peer: As for `receive_post`.
        http_method: Of the request.

    Returns:
        The answer; None if nothing is wrong.

    Spec: 2025-11-25 basic/transports, "Session Management" and "Protocol Version
    Header".
    """
    version = headers.get("mcp-protocol-version")
    if version in versions.MODERN:
        text = f"{http_method} is not part of protocol version {version}; use POST"
        return _refused(405, text)
    if version is not None and version not in versions.LEGACY:
        return _refused(
            400,
            f"unsupported MCP-Protocol-Version {version[:100]!r}; supported are "
            f"{list(versions.ALL)!r}",
        )
    if "mcp-session-id" not in headers:
        return _refused(
            400,
            "Mcp-Session-Id is missing: send initialize first, and then the id from "
            "its answer",
        )
    if peer is None:
        # One answer for all: no client learns of the sessions of another user.
        return _refused(404, "Session not found", code=SESSION_NOT_FOUND)
    return None


def _receive_posted(message: Message, peer: Peer) -> Event:
    match message:
        case JSONRPCRequest():
            answer = answer_at_once(message)
            return _received(message, peer) if answer is None else Answered(answer)
        case JSONRPCNotification():
            return read_notification(message)
        case JSONRPCResponse(id=id) | JSONRPCError(id=str() | int() as id):
            return AnswerReceived(id, message)
        case _:
            return _refused(400, NOT_ASKED, code=INTERNAL_ERROR)


def _received(message: JSONRPCRequest, peer: Peer) -> RequestReceived:
    return RequestReceived(message.id, message.method, message.params or {}, peer)


def _check_batch(messages: Sequence[Message], peer: Peer) -> None:
    """Refuse a batch where there are none, with an `initialize`, or with an id twice.

    Raises:
        RemoteProtocolError: It is refused.

    Spec: 2025-03-26 basic, "Batching"; basic/lifecycle, "Initialization".
    """
    if peer.version not in versions.BATCHES:
        raise RemoteProtocolError(versions.NO_BATCHES)
    ids = set()
    for message in messages:
        if not isinstance(message, JSONRPCRequest):
            continue
        if message.method == methods.INITIALIZE:
            raise RemoteProtocolError(
                "initialize must not be part of a batch", request_id=message.id
            )
        if message.id in ids:
            # Spec: 2025-03-26 basic, "Requests": ids are not used twice.
            raise RemoteProtocolError(
                "two requests of a batch have the same id", request_id=message.id
            )
        ids.add(message.id)


def _refused(status: int, text: str, *, code: int = INVALID_REQUEST) -> Answered:
    return Answered(jsonrpc.error(None, code, text), status)
