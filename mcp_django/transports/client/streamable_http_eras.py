"""What the two eras of Streamable HTTP want of a client. Pure.

Spec: 2026-07-28 basic/transports/streamable-http; 2025-11-25 basic/transports,
"Session Management" and "Protocol Version Header".
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import methods, versions
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.client.tool_headers import ToolHeaders, standard_headers

SESSION_ID: Final = "mcp-session-id"
PROTOCOL_VERSION: Final = "mcp-protocol-version"

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_MAX_SESSION_ID: Final = 16 * 1024
_MAX_VERSION: Final = 100


class Era(ABC):
    """The rules for the messages of one era.

    Attributes:
        can_resume: Whether a stream that broke off can be gone on with.
        is_lost: Whether the server knows the session no more.
    """

    can_resume: ClassVar[bool]
    is_lost = False

    @property
    def takes_batches(self) -> bool:
        """Whether the server may send several messages at once."""
        return False

    def lose(self, session_id: str) -> bool:
        """Note that the server knows a session no more; False if it is not this one."""
        return False

    @abstractmethod
    def headers_of(self, message: Message) -> dict[str, str]:
        """Give the HTTP headers for a message."""

    def take_headers(self, request: JSONRPCRequest, headers: Mapping[str, str]) -> None:
        """Take what the headers of the response to a request say.

        Raises:
            RemoteProtocolError: They are not as they must be.
        """
        return

    @abstractmethod
    def take_result(
        self, request: JSONRPCRequest, result: JSONRPCResponse
    ) -> JSONRPCResponse:
        """Take what the result of a request says, and give it as it is to be seen."""


class ModernEra(Era):
    """Each request stands for itself, and its headers mirror it."""

    can_resume = False

    def __init__(self) -> None:
        self._tools = ToolHeaders()

    def headers_of(self, message: Message) -> dict[str, str]:
        """Mirror the message, and the parameters of a tool that want it."""
        if isinstance(message, JSONRPCRequest):
            return {**standard_headers(message), **self._tools.headers_of(message)}
        if isinstance(message, JSONRPCNotification):
            return standard_headers(message)
        return {}

    def take_result(
        self, request: JSONRPCRequest, result: JSONRPCResponse
    ) -> JSONRPCResponse:
        """Learn of the tools that are listed; some are left out."""
        if request.method != "tools/list":
            return result
        value = self._tools.take_result(request, result.result)
        return result.model_copy(update={"result": value})


class LegacySession(Era):
    """What `initialize` opens.

    ::

        NEW --result of initialize--> OPEN --lose()--> LOST

    Attributes:
        is_open: Whether the server has answered `initialize` with a result.
    """

    can_resume = True

    def __init__(self) -> None:
        self._id: str | None = None
        self._version: str | None = None
        self.is_open = False

    @property
    def has_id(self) -> bool:
        """Whether the server has given it an id, and knows that still."""
        return self._id is not None and not self.is_lost

    @property
    def takes_batches(self) -> bool:
        """Whether it is of the one version that has batches."""
        return self._version in versions.BATCHES

    def lose(self, session_id: str) -> bool:
        """Note that the server knows it no more, if it has this id."""
        if session_id != self._id:
            return False
        self.is_open = False
        self.is_lost = True
        return True

    def headers_of(self, message: Message | None = None) -> dict[str, str]:
        """Name session and version, once they are known."""
        headers = {}
        if self._id is not None and not self.is_lost:
            headers[SESSION_ID] = self._id
        if self._version is not None:
            headers[PROTOCOL_VERSION] = self._version
        return headers

    def take_headers(self, request: JSONRPCRequest, headers: Mapping[str, str]) -> None:
        """Take the session id from the answer to `initialize`.

        Raises:
            RemoteProtocolError: It is not visible ASCII.
        """
        id = headers.get(SESSION_ID)
        if request.method != methods.INITIALIZE or id is None:
            return
        if not _VISIBLE.fullmatch(id) or len(id) > _MAX_SESSION_ID:
            raise RemoteProtocolError(
                "the server gives a session id that is not visible ASCII, or longer "
                f"than {_MAX_SESSION_ID} characters"
            )
        self._id = id

    def take_result(
        self, request: JSONRPCRequest, result: JSONRPCResponse
    ) -> JSONRPCResponse:
        """Take the version from the result of `initialize`."""
        if request.method == methods.INITIALIZE:
            self.is_open = True
            version = result.result.get("protocolVersion")
            # Whether we speak it is for the client to say; here it has to fit a header.
            if (
                isinstance(version, str)
                and len(version) <= _MAX_VERSION
                and _VISIBLE.fullmatch(version)
            ):
                self._version = version
        return result
