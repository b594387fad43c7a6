"""What a protocol object reports to its driver, one event for each message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse, RequestId

from mcp_django.protocol.jsonrpc import JSONObject

AnswerMessage: TypeAlias = JSONRPCResponse | JSONRPCError
"""The answer to a request, as a message."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What the program at the other end said of itself.

    In the legacy era it says so once, with `initialize`; in the modern era with each
    request.

    Attributes:
        version: Protocol version that answers to it have to follow.
        client_info: Its name and version.
        client_capabilities: What it can be asked for.
        log_level: Least severe log messages that it wants for this request; None if
            it wants none, and in the legacy era.
    """

    version: str
    client_info: Implementation
    client_capabilities: ClientCapabilities
    log_level: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The protocol answered a request by itself: send the answer.

    Attributes:
        answer: A result, or an error; without an id to what is no request.
        status: HTTP status, where messages are posted; other than 200 if all that was
            posted is refused.
    """

    answer: AnswerMessage
    status: int = 200

    @property
    def reason(self) -> str:
        """Why it is refused, in a sentence; "" if it is not."""
        answer = self.answer
        return answer.error.message if isinstance(answer, JSONRPCError) else ""


@dataclass(frozen=True, slots=True)
class SessionRestarted:
    """The peer opened its session a second time, as another program or in another way.

    End what belonged to the session (requests that run, what the peer set, what it
    subscribed to), then send the answer.

    Attributes:
        answer: To the second `initialize`.
        peer: What the peer says of itself from now on.
    """

    answer: JSONRPCResponse
    peer: Peer


@dataclass(slots=True)  # on the hot path: a frozen one takes four times as long
class RequestReceived:
    """A request waits for `send_result` or `send_error` with its id."""

    id: RequestId
    method: str
    params: JSONObject
    peer: Peer


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """The peer no longer wants the answer: stop working, send none."""

    id: RequestId
    reason: str | None


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The peer answered a request of ours."""

    id: RequestId
    answer: AnswerMessage


@dataclass(frozen=True, slots=True)
class Notified:
    """The peer sent a notification that changes nothing in the protocol."""

    method: str
    params: JSONObject


@dataclass(frozen=True, slots=True)
class Ignored:
    """The message broke a rule in a way that asks for no answer; log the reason.

    Attributes:
        reason: What was wrong.
        is_late: Whether it was right when it was sent, and crossed ours on the way.
    """

    reason: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class AskReceived:
    """The server asks: its question waits for `send_result` or `send_error`."""

    id: RequestId
    method: str
    params: JSONObject


@dataclass(frozen=True, slots=True)
class Progressed:
    """The server reports how far it is with a request of ours."""

    id: RequestId
    progress: float
    total: float | None
    message: str | None


Event: TypeAlias = (
    Answered
    | SessionRestarted
    | RequestReceived
    | RequestCancelled
    | AnswerReceived
    | Notified
    | Ignored
)
"""What the server's half of a protocol reports."""

ClientEvent: TypeAlias = (
    Answered
    | AskReceived
    | RequestCancelled
    | AnswerReceived
    | Progressed
    | Notified
    | Ignored
)
"""What the client's half reports."""
