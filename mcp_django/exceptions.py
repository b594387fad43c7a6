"""Every exception of mcp_django.

::

    MCPError
    ├── ProtocolError           a JSON-RPC error: what went wrong, as the wire says it
    │   ├── LocalProtocolError  our caller broke the rules
    │   └── RemoteProtocolError the peer broke the rules
    │       └── ParseError      the bytes are no JSON-RPC message
    │           └── MessageLost they are too many to be read, and lost
    ├── ErrorAnswer             a handler answers with a JSON-RPC error of its own
    │   ├── UrlElicitationRequired
    │   ├── AuthenticationFailed credentials are wrong, or do not suffice
    │   └── ServiceAway         a service that the site needs does not answer
    ├── ToolError               a failed tool call, for the model to read
    ├── HandlerTooSlow          a handler took longer than it may
    ├── ErrorReceived           the server answered our request with a JSON-RPC error
    ├── RequestTimeout          the server did not answer our request in time
    ├── OAuthError              no token can be had that a server takes
    │   ├── LoginRequired       a user has to log in, and nothing here can ask them to
    │   ├── LoginFailed         the user was asked, and did not come back with a yes
    │   ├── OAuthRefused        an authorization server refused us, by the RFC's error
    │   └── OAuthFault          what it said must not be used, or is no OAuth at all
    ├── AskRefused              the client cannot or did not answer a question
    │   ├── CapabilityMissing   it never declared that it could
    │   └── AskFailed           it answered with an error, nonsense, or not in time
    └── TransportError          a transport cannot do what it was asked to
        ├── ConnectFailed       no connection with the peer came about
        ├── TransportClosed     it is closed
        ├── MessageTooLarge     it cannot carry a message of this size
        │   ├── ResultTooLarge  no connection shall carry it
        │   └── BatchTooLarge   it can, but not beside the others of its batch
        ├── ReaderTooSlow       the peer has yet to read too much
        └── RequestFailed       no answer to one request will come
            ├── HTTPRefused     it was refused with an HTTP status
            └── SessionLost     its session is gone; a new one can be opened

`mcp_django.QuestionsAsked` is no error and no `Exception`: it ends a run of a handler
that asks its client something.

`ValueError` is raised for a wrong argument when registering a feature, and
`django.core.exceptions.ImproperlyConfigured` for wrong settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    URL_ELICITATION_REQUIRED,
)


class MCPError(Exception):
    """Base of every exception that mcp_django raises on its own account."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled, as task queues do, whatever the constructor takes."""
        return _made_again, (type(self), self.args), vars(self)


def _made_again(kind: type[MCPError], args: tuple[Any, ...]) -> MCPError:
    return kind.__new__(kind, *args)


class ProtocolError(MCPError):
    """A rule of JSON-RPC or of MCP was broken.

    Attributes:
        code: JSON-RPC error code to answer with.
        message: One sentence for the developer who reads the answer.
        data: Additional JSON value for the answer, or None.
    """

    default_code = INTERNAL_ERROR

    def __init__(
        self, message: str, *, code: int | None = None, data: Any = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.data = data


class LocalProtocolError(ProtocolError):
    """Our own caller asked for something the protocol forbids in this state."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol forbids.

    Attributes:
        request_id: Id of the request that the peer got wrong; None if it was no
            request, or its id cannot be read.
    """

    default_code = INVALID_REQUEST

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        data: Any = None,
        request_id: str | int | None = None,
    ) -> None:
        super().__init__(message, code=code, data=data)
        self.request_id = request_id


class ParseError(RemoteProtocolError):
    """The peer sent bytes that are no JSON text of JSON-RPC.

    Spec: JSON-RPC 2.0, section 5.1, code -32700.
    """

    default_code = PARSE_ERROR


class MessageLost(ParseError):
    """A message was too long to be read, so that it is not known which one it was."""


class ErrorAnswer(MCPError):
    """Raised by a handler to answer its request with a JSON-RPC error.

    Unlike `ToolError`, which the model reads, this is for the client program.

    Args:
        code: JSON-RPC error code, for example -32602.
        message: One sentence for the client's developer; may be lazy.
        data: Additional JSON value, or None.

    Attributes:
        status: HTTP status, where the answer has one; None for what HTTP need not know.
        headers: HTTP headers that go with the status.
        reason: Why, for the site; set where the client is told less.
    """

    status: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    reason: str | None = None

    def __init__(self, code: int, message: Any, data: Any = None) -> None:
        if not isinstance(code, int) or isinstance(code, bool):
            raise TypeError(
                f"ErrorAnswer needs a JSON-RPC error code such as -32602, not {code!r}"
            )
        super().__init__(message)
        self.code = code
        self.message: str = message
        self.data = data


class UrlElicitationRequired(ErrorAnswer):
    """Raised by a handler that cannot go on before its user visited some URLs.

    Args:
        elicitations: At least one `mcp_types.ElicitRequestURLParams`, each with
            its `elicitation_id`.
        message: One sentence for the client's developer.

    Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error".
    """

    def __init__(
        self,
        *elicitations: Any,
        message: Any = "This request requires more information.",
    ) -> None:
        if not elicitations:
            raise ValueError("UrlElicitationRequired needs at least one elicitation")
        self.elicitation_ids = frozenset(
            str(elicitation.elicitation_id) for elicitation in elicitations
        )
        super().__init__(
            URL_ELICITATION_REQUIRED,
            message,
            {
                "elicitations": [
                    elicitation.model_dump(
                        mode="json", by_alias=True, exclude_none=True
                    )
                    for elicitation in elicitations
                ]
            },
        )


class ServiceAway(ErrorAnswer):
    """A service that the site needs, such as its cache, does not answer.

    Over HTTP it is answered with 503 and `Retry-After`.

    Args:
        service: Names it to the client.
        retry_after_seconds: When to try again.

    Spec: RFC 9110, sections 15.6.4 and 10.2.3.
    """

    status: int = 503

    def __init__(self, service: str, retry_after_seconds: float) -> None:
        self.service = service
        seconds = max(1, math.ceil(retry_after_seconds))
        self.retry_after_seconds = seconds
        self.headers = [(b"retry-after", b"%d" % seconds)]
        super().__init__(
            INTERNAL_ERROR,
            f"{service} does not answer; try again in {seconds} "
            f"{'second' if seconds == 1 else 'seconds'}",
        )


class RateExceeded(ErrorAnswer):
    """More requests came in a second than `MCP["MAX_RATE"]` lets one user send.

    Over Streamable HTTP it is answered with 429 and `Retry-After`, elsewhere with a
    JSON-RPC error; both have the seconds in `data`.

    Args:
        rate: Requests a second.
        sender: Whose they are: "user" or "token".
        seconds: When to try again.

    Spec: RFC 6585, section 4; RFC 9110, section 10.2.3.
    """

    status: int = 429

    def __init__(self, rate: float, sender: str, seconds: float) -> None:
        self.retry_after_seconds = retry_after = max(1, math.ceil(seconds))
        self.headers = [(b"retry-after", b"%d" % retry_after)]
        super().__init__(
            INVALID_REQUEST,
            f"more than {rate:g} requests a second of this {sender}; try again in "
            f"{retry_after} {'second' if retry_after == 1 else 'seconds'}",
            {"retryAfter": retry_after},
        )


class AuthenticationFailed(ErrorAnswer):
    """Credentials are wrong, expired or revoked, or do not suffice for a request.

    An authenticator raises it at the gate; a handler, or what stands around it, for one
    request alone. It is answered with an HTTP status and a challenge where there is one
    to answer with, and elsewhere with a JSON-RPC error that has the same in its data.

    Args:
        message: For the log: which user, and why. Never the credential itself.
        error: What the challenge calls it, where its scheme has names for errors; "" if
            no credentials came. Decides the status: 403 for "insufficient_scope", 400
            for "invalid_request", 401 for all others.
        description: One sentence for the sender, which may be any program.
        parameters: What else the challenge says, such as `scope` or
            `resource_metadata`.

    Spec: RFC 6750, sections 3 and 3.1; 2025-11-25 basic/authorization, "Scope Challenge
    Handling".
    """

    status: int
    error: str = "invalid_token"
    description: Any = "the credentials are wrong, expired or revoked"

    def __init__(
        self,
        message: object = "",
        *,
        error: str | None = None,
        description: Any = None,
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if error is not None:
            self.error = error
        if description is not None:
            self.description = description
        named = {"error": self.error} if self.error else {}
        data = {**named, **parameters}
        super().__init__(INVALID_REQUEST, self.description, data or None)
        self.parameters = dict(parameters)
        # Spec: RFC 6750, section 3.1.
        statuses = {"invalid_request": 400, "insufficient_scope": 403}
        self.status = statuses.get(self.error, 401)
        self.args = (message,)  # For the log; the client is told less.
        self.reason = str(message)


class ToolError(MCPError):
    """A tool failed, and the model shall read why.

    A tool raises it: the text goes to the client unchanged, as a result with `isError`.
    `Client.call_tool` raises it for such a result; a tool that calls a tool of another
    server may let it pass.

    Args:
        message: For the model.
        result: The `mcp_types.CallToolResult` that a client received; None in a tool.

    Spec: 2025-11-25 server/tools, "Error Handling".
    """

    def __init__(self, message: object = "", *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class HandlerTooSlow(MCPError):
    """A handler took longer than its `timeout=`, or than `MCP["HANDLER_TIMEOUT"]`.

    The client reads the text; for a tool, its model does.

    Args:
        message: What became of the handler.
        seconds: How long it might have taken.
        goes_on: Whether it is still running, in a thread that cannot be stopped.
    """

    def __init__(self, message: str, *, seconds: float, goes_on: bool) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.goes_on = goes_on


class ErrorReceived(MCPError):
    """The server answered a request of ours with a JSON-RPC error.

    Attributes:
        code: JSON-RPC error code, for example -32602.
        message: What the server wrote.
        data: Additional JSON value, or None.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class RequestTimeout(MCPError, TimeoutError):
    """The server did not answer a request of ours in time; it was told to stop."""


class OAuthError(MCPError):
    """No token can be had that a server takes.

    Its text says which server is meant, and what to do.
    """


class LoginRequired(OAuthError):
    """A user has to log in at another server, and nothing here can ask them to.

    Attributes:
        url: URL of the MCP server.
        scopes: What to ask for; None to leave it to the authorization server.
    """

    def __init__(
        self, message: str, *, url: str, scopes: frozenset[str] | None = None
    ) -> None:
        super().__init__(message)
        self.url = url
        self.scopes = scopes


class LoginFailed(OAuthError):
    """A user was asked to log in, and did not come back with a yes that we can trust.

    Attributes:
        error: What the authorization server calls it, such as "access_denied"; "" if it
            did not say, or must not be listened to.
    """

    def __init__(self, message: str, *, error: str = "") -> None:
        super().__init__(message)
        self.error = error


class OAuthRefused(OAuthError):
    """An authorization server refused what was asked, as its RFC says.

    Attributes:
        error: What it calls it, such as "invalid_client" or "invalid_grant".
        description: What it says about it; "" for nothing.
    """

    def __init__(self, message: str, *, error: str, description: str = "") -> None:
        super().__init__(message)
        self.error = error
        self.description = description


class OAuthFault(OAuthError):
    """What a server says about OAuth must not be used, or it does not speak OAuth.

    Such as metadata of another issuer, an endpoint of a foreign origin, a page where
    there should be JSON, redirects without end, or no answer in time.
    """


class AskRefused(MCPError):
    """The client was not able or not willing to answer a question."""


class CapabilityMissing(AskRefused):
    """The client did not declare the capability that a question needs.

    Attributes:
        required: Capabilities the client lacks, shaped like `ClientCapabilities`,
            such as `{"elicitation": {"url": {}}}`.
    """

    def __init__(self, message: str, *, required: dict[str, Any]) -> None:
        super().__init__(message)
        self.required = required


class AskFailed(AskRefused):
    """The client answered a question with an error, with nonsense, or too late."""


class TransportError(MCPError):
    """A transport cannot do what it was asked to."""


class ConnectFailed(TransportError):
    """No connection with the peer came about."""


class TransportClosed(TransportError):
    """The transport is closed: nothing was sent."""


class MessageTooLarge(TransportError):
    """A message is larger than the transport can carry: nothing was sent.

    Attributes:
        size: Bytes of the message on the wire.
        limit: Bytes that the transport can carry.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"message of {size} bytes; at most {limit} can be sent")
        self.size = size
        self.limit = limit


class ResultTooLarge(MessageTooLarge):
    """An answer is larger than the site lets it be, on any connection."""


class BatchTooLarge(MessageTooLarge):
    """The answers to a batch are larger together than one body can carry.

    Attributes:
        size: Bytes of those that are there, with this one.
        limit: Bytes that one body can carry.
    """


class ReaderTooSlow(TransportError):
    """What the peer's user has yet to read leaves no room for more: nothing was sent.

    Attributes:
        size: Bytes of the message on the wire.
        unread: Bytes that wait to be read.
    """

    def __init__(self, size: int, unread: int) -> None:
        super().__init__(f"no room for {size} bytes; {unread} wait to be read")
        self.size = size
        self.unread = unread


class RequestFailed(TransportError):
    """No answer to a request will come; whether it was carried out is not known.

    Attributes:
        request_id: Id of the request; None if the failure concerns no request.
        was_sent: Whether it is known that the connection broke after the request went
            out, so that the request itself may be why.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | int | None = None,
        was_sent: bool = False,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.was_sent = was_sent


class HTTPRefused(RequestFailed):
    """The server refused a request with an HTTP status, and it was not carried out.

    Attributes:
        status: HTTP status code.
        body: Beginning of what the server said, as text.
        headers: Of the response, names in lower case.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        request_id: str | int | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.body = body
        self.headers: Mapping[str, str] = dict(headers)


class SessionLost(RequestFailed):
    """The server knows the session no more; `initialize` opens a new one.

    Attributes:
        request_id: Id of a request that was refused for it, and not carried out; None
            if the session was lost otherwise.
    """
