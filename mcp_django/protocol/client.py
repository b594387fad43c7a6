"""The client's half of both eras: what it sends, and what it is sent means.

Spec: 2026-07-28 basic/versioning and basic/patterns; 2025-11-25 basic/lifecycle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    CancelledNotificationParams,
    ClientCapabilities,
    Implementation,
    ProgressNotificationParams,
)
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from mcp_django.exceptions import LocalProtocolError, RemoteProtocolError
from mcp_django.protocol import jsonrpc, methods, versions
from mcp_django.protocol.error_codes import MODERN_ONLY
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    AskReceived,
    ClientEvent,
    Ignored,
    Notified,
    Progressed,
    RequestCancelled,
)
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.pending_requests import used_twice
from mcp_django.protocol.subscriptions import SUBSCRIPTION_ID_META_KEY

_MAX_CANCELLED: Final = 100
"""Cancelled requests whose answer may still be on its way."""


class State(Enum):
    """What a client has found out about its server."""

    NEW = auto()
    LEGACY = auto()
    MODERN = auto()


class ClientProtocol:
    """Decides what the client of one connection sends, and what it is sent means.

    ::

        NEW --adopt() a legacy version--> LEGACY --forget()--> NEW
        NEW --adopt() a modern version--> MODERN --forget()--> NEW

    In NEW, `send_discover` and `send_initialize` ask the server what it speaks.

    Args:
        client_info: The client's name and version.
        capabilities: What the server may ask for.

    Attributes:
        state: What is known of the server.
        version: Protocol version of what is sent; "" in NEW.
        capabilities: What the server may ask for.
        log_level: Which log messages modern servers shall send; None for none.
    """

    def __init__(
        self, client_info: Implementation, capabilities: ClientCapabilities
    ) -> None:
        self._client_info = _wire(client_info)
        self.capabilities = capabilities
        self.log_level: str | None = None
        self.state = State.NEW
        self.version = ""
        self._last_id = 0
        # Id of each request that waits for its answer -> its method.
        self._pending: dict[RequestId, str] = {}
        self._cancelled: deque[RequestId] = deque(maxlen=_MAX_CANCELLED)
        self._asked: set[RequestId] = set()

    @property
    def takes_batches(self) -> bool:
        """Whether the server may send batches.

        Spec: 2025-03-26 basic, "Batching".
        """
        return self.version in versions.BATCHES

    # What is found out of the server -------------------------------------------------

    def send_discover(self, version: str) -> JSONRPCRequest:
        """Ask the server what it speaks, in a modern version."""
        return self._request(methods.DISCOVER, {"_meta": self._meta(version)})

    def send_initialize(self, version: str) -> JSONRPCRequest:
        """Offer the server a legacy version.

        Spec: 2025-11-25 basic/lifecycle, "Initialization".
        """
        params = {
            "protocolVersion": version,
            "capabilities": _wire(self.capabilities),
            "clientInfo": self._client_info,
        }
        return self._request(methods.INITIALIZE, params)

    def adopt(self, version: str) -> None:
        """Speak a version from now on.

        Raises:
            RemoteProtocolError: It is none that we know.
        """
        if version in versions.MODERN:
            self.state = State.MODERN
        elif version in versions.LEGACY:
            self.state = State.LEGACY
        else:
            raise RemoteProtocolError(
                f"the server speaks version {version[:100]!r}, which is none of "
                f"{list(versions.ALL)!r}"
            )
        self.version = version

    def forget(self) -> None:
        """Begin anew; the server has forgotten us."""
        self.state = State.NEW
        self.version = ""
        self._asked.clear()

    # What is sent --------------------------------------------------------------------

    def send_request(
        self,
        method: str,
        params: JSONObject | None = None,
        *,
        wants_progress: bool = False,
        client_meta: JSONObject | None = None,
    ) -> JSONRPCRequest:
        """Ask the server something; `receive` says when it is answered.

        Args:
            method: Such as "tools/call".
            params: Without what every request has; not changed.
            wants_progress: Whether the server shall report progress.
            client_meta: What a modern request says of its client, where it is made for
                another one: members of `_meta`, without the version.

        Raises:
            LocalProtocolError: It is not known yet what the server speaks.
        """
        if self.state is State.NEW:
            raise LocalProtocolError(
                f"cannot send {method!r} before the server's version is known"
            )
        params = dict(params or {})
        meta = dict(params.get("_meta") or {})
        if self.state is State.MODERN:
            meta.update(self._meta(self.version, client_meta))
        if wants_progress:
            # Spec: 2026-07-28 basic/patterns/progress: a token may be any unique value.
            meta["progressToken"] = self._last_id + 1
        if meta:
            params["_meta"] = meta
        return self._request(method, params or None)

    def send_cancelled(
        self, id: RequestId, reason: str | None = None
    ) -> JSONRPCNotification | None:
        """Want the answer to a request no more; None if there is nothing to say.

        Spec: 2026-07-28 basic/patterns/cancellation; 2025-11-25 has the same, but
        `initialize` must not be cancelled.
        """
        method = self._pending.pop(id, None)
        if method is None or method == methods.INITIALIZE:
            return None
        self._cancelled.append(id)
        params: JSONObject = {"requestId": id}
        if reason is not None:
            params["reason"] = reason
        return jsonrpc.notification("notifications/cancelled", params)

    def drop(self, id: RequestId) -> None:
        """Wait no more for the answer to a request, because none will come."""
        self._pending.pop(id, None)

    def send_result(self, id: RequestId, result: JSONObject) -> JSONRPCResponse | None:
        """Answer a question of the server; None if it wants no answer any more."""
        if id not in self._asked:
            return None
        self._asked.discard(id)
        return jsonrpc.result(id, result)

    def send_error(
        self, id: RequestId, code: int, message: str, data: JSON = None
    ) -> JSONRPCError | None:
        """Answer a question with an error; None if no answer is wanted any more."""
        if id not in self._asked:
            return None
        self._asked.discard(id)
        return jsonrpc.error(id, code, message, data)

    # What is received ----------------------------------------------------------------

    def receive(self, message: Message) -> ClientEvent:
        """Take one message from the server and say what it means."""
        match message:
            case JSONRPCRequest():
                return self._receive_request(message)
            case JSONRPCNotification():
                return self._receive_notification(message)
            case _:
                return self._receive_answer(message)

    def _receive_answer(self, message: JSONRPCResponse | JSONRPCError) -> ClientEvent:
        id = message.id
        if id is None and len(self._pending) == 1:
            # The server could not read an id: it can only mean the one request.
            [id] = self._pending
        if id is None or id not in self._pending:
            # Spec: 2026-07-28 basic/patterns/cancellation, "Behavior Requirements".
            is_late = id in self._cancelled
            return Ignored(f"answer to {id!r}, for which nobody waits", is_late)
        del self._pending[id]
        return AnswerReceived(id, message)

    def _receive_request(self, message: JSONRPCRequest) -> ClientEvent:
        id, method = message.id, message.method
        if self.state is State.MODERN:
            # Spec: 2026-07-28 basic/transports/stdio, "Receiving Messages": servers
            # must not send requests, nor clients answers.
            return Ignored(f"request {method[:100]!r}, which modern servers never send")
        if method == methods.PING:
            return Answered(jsonrpc.result(id, {}))
        if id in self._asked:
            return used_twice(id)
        capability = methods.QUESTIONS.get(method)
        if capability is None or getattr(self.capabilities, capability) is None:
            text = f"this client does not offer {method[:100]}"
            return Answered(jsonrpc.error(id, METHOD_NOT_FOUND, text))
        self._asked.add(id)
        return AskReceived(id, method, message.params or {})

    def _receive_notification(self, message: JSONRPCNotification) -> ClientEvent:
        params = message.params or {}
        try:
            match message.method:
                case "notifications/cancelled":
                    return self._receive_cancelled(params)
                case "notifications/progress":
                    return self._receive_progress(params)
                case _:
                    return Notified(message.method, params)
        except ValidationError as error:
            return Ignored(f"{message.method}: {describe_faults(error)}")

    def _receive_cancelled(self, params: JSONObject) -> ClientEvent:
        cancelled = CancelledNotificationParams.model_validate(params)
        id = cancelled.request_id
        if id is not None and self._pending.get(id) == methods.LISTEN:
            # Spec: 2026-07-28 basic/patterns/cancellation: so ends a subscription.
            del self._pending[id]
            return AnswerReceived(id, jsonrpc.result(id, {}))
        if id is None or id not in self._asked:
            return Ignored(f"nothing to cancel: {id!r} is no open question")
        self._asked.discard(id)
        return RequestCancelled(id, cancelled.reason)

    def _receive_progress(self, params: JSONObject) -> ClientEvent:
        report = ProgressNotificationParams.model_validate(params)
        if report.progress_token not in self._pending:
            is_late = report.progress_token in self._cancelled
            text = f"progress of {report.progress_token!r}, which has ended"
            return Ignored(text, is_late)
        return Progressed(
            report.progress_token, report.progress, report.total, report.message
        )

    def _request(self, method: str, params: JSONObject | None) -> JSONRPCRequest:
        self._last_id += 1
        self._pending[self._last_id] = method
        return jsonrpc.request(self._last_id, method, params)

    def _meta(self, version: str, client_meta: JSONObject | None = None) -> JSONObject:
        """Say of ourselves, or of another client, what every modern request says.

        Spec: 2026-07-28 basic, "Per-request protocol fields".
        """
        if client_meta is not None:
            return {**client_meta, PROTOCOL_VERSION_META_KEY: version}
        meta: JSONObject = {
            PROTOCOL_VERSION_META_KEY: version,
            CLIENT_INFO_META_KEY: self._client_info,
            CLIENT_CAPABILITIES_META_KEY: _wire(self.capabilities),
        }
        if self.log_level is not None:
            meta[LOG_LEVEL_META_KEY] = self.log_level
        return meta


def offered_by(request: JSONRPCRequest) -> str:
    """Give the version that a request of the handshake offers; "" if it is another."""
    params = request.params or {}
    if request.method == methods.INITIALIZE:
        offered = params.get("protocolVersion")
    else:
        offered = (params.get("_meta") or {}).get(PROTOCOL_VERSION_META_KEY)
    return offered if isinstance(offered, str) else ""


def choose_version(supported: Sequence[JSON], wanted: str | None = None) -> str | None:
    """Choose the newest of the versions that a server supports.

    Args:
        supported: What the server listed.
        wanted: The only one that will do; None for any.

    Returns:
        The version; None if there is none for us.
    """
    ours = versions.ALL if wanted is None else (wanted,)
    return next((version for version in ours if version in supported), None)


def supported_of(error: JSONRPCError) -> Sequence[JSON] | None:
    """Give the versions that a server lists because it has not the one we asked for.

    Returns:
        The versions; None if the error is another one.

    Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation".
    """
    data = error.error.data
    if error.error.code != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(data, dict):
        return None
    supported = data.get("supported")
    return supported if isinstance(supported, list) else []


def is_modern_error(error: JSONRPCError) -> bool:
    """Say whether only a server of the modern era answers so.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions".
    """
    return error.error.code in MODERN_ONLY


def subscription_of(params: JSONObject) -> RequestId | None:
    """Give the id of the subscription that a notification belongs to.

    Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications".
    """
    meta = params.get("_meta")
    id = meta.get(SUBSCRIPTION_ID_META_KEY) if isinstance(meta, dict) else None
    return id if isinstance(id, str | int) else None


def _wire(model: Implementation | ClientCapabilities) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
