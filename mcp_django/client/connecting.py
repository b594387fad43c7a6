"""Finds out how to reach a server, and what it speaks.

Spec: 2026-07-28 basic/versioning, "Backward Compatibility with Initialization-Based
Versions", and the pages on stdio and Streamable HTTP.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from mcp_types import SERVER_INFO_META_KEY as SERVER_INFO
from mcp_types import (
    DiscoverResult,
    Implementation,
    InitializeResult,
    ServerCapabilities,
)
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse
from pydantic import ValidationError

from mcp_django.client.connection import Connection, Patience
from mcp_django.client.reading import validate
from mcp_django.exceptions import (
    ErrorReceived,
    HTTPRefused,
    RemoteProtocolError,
    RequestFailed,
    RequestTimeout,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc, versions
from mcp_django.protocol.client import (
    State,
    choose_version,
    is_modern_error,
    supported_of,
)
from mcp_django.protocol.faults import describe_faults
from mcp_django.transports.base import Transport
from mcp_django.transports.stdio_client import StdioClientTransport
from mcp_django.transports.stream_pair import (
    StreamPair,
    StreamPairTransport,
    closing,
    is_stream_pair,
)

if TYPE_CHECKING:
    import ssl

    import httpx2

MakeTransport: TypeAlias = Callable[[], Transport]

Target: TypeAlias = (
    str | Sequence[str] | Transport | MakeTransport | StreamPair | tuple[Any, Any]
)
"""URL of a server, command that runs one, transport, or what makes a transport; or a
pair of streams, or what gives one to the end of a block."""

_NO_SUCH_REQUEST: Final = (400, 404, 405, 406, 415, 422, 501)
"""HTTP statuses of servers that do not know a kind of request."""

_NO_STREAMABLE_HTTP: Final = (400, 404, 405)
"""HTTP statuses to `initialize` of servers that may still know HTTP+SSE."""


class EndedByProbe(TransportClosed):
    """The connection ended before the server had said what it speaks.

    Servers of the legacy era may end for being asked: those of the official Python
    SDK did so up to its version 1.8.
    """


@dataclass(frozen=True, slots=True)
class Found:
    """What a server said of itself.

    Attributes:
        version: Protocol version that is spoken with it.
        capabilities: What it offers.
        server_info: Its name and version; None if it did not say.
        instructions: How to use it, for the model; None if it did not say.
    """

    version: str
    capabilities: ServerCapabilities
    server_info: Implementation | None
    instructions: str | None


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a server that may be the right one.

    Attributes:
        make: Makes a transport.
        can_repeat: Whether it makes another one when that is closed.
        is_modern: Whether it can carry the modern era.
    """

    make: MakeTransport
    can_repeat: bool = True
    is_modern: bool = True


@dataclass(frozen=True, slots=True)
class HTTPOptions:
    """How to make HTTP requests.

    Attributes:
        headers: Added to each request.
        auth: Such as `httpx2.BasicAuth`, or one of your own; None for none.
        http: Makes them all; stays open. None to make one.
        verify: TLS settings; None for those of the system.
        connect_timeout: Seconds until there has to be a connection.
    """

    headers: Mapping[str, str]
    auth: httpx2.Auth | None = None
    http: httpx2.AsyncClient | None = None
    verify: ssl.SSLContext | None = None
    connect_timeout: float = 10.0

    @property
    def are_given(self) -> bool:
        """Whether there is anything in them that is of use with a URL only."""
        return bool(self.headers) or (self.auth or self.http or self.verify) is not None


def headers_with(
    token: str | None,
    headers: Mapping[str, str] | None,
    auth: httpx2.Auth | None,
    target: Target,
) -> dict[str, str]:
    """Add a bearer token to headers.

    Raises:
        ValueError: It, or a header, is wrong, or there are other credentials, so that
            one of them would get lost.
    """
    given = dict(headers or {})
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise ValueError(
                f"header {name!r:.100} must be text, not {type(value).__name__}"
            )
    if token is None:
        return given
    if not isinstance(token, str) or not token:
        raise ValueError("token is empty, or no text; is its variable set?")
    others = {
        "auth": auth is not None,
        "the user in the URL": isinstance(target, str) and "@" in urlsplit(target)[1],
        "the header Authorization": "authorization" in map(str.lower, given),
    }
    for name, is_given in others.items():
        if is_given:
            raise ValueError(f"give token or {name}, not both: one would get lost")
    return {**given, "Authorization": f"Bearer {token}"}


def ways_to(target: Target, options: HTTPOptions) -> Sequence[Way]:
    """Give the ways to a server, in the order in which to try them.

    Raises:
        ValueError: It is no target.
        ImportError: A library is missing that the target needs.
    """
    if not isinstance(target, str) and options.are_given:
        raise ValueError(
            "token, headers, auth and http are for URLs; give the headers to the "
            "transport, and secrets to a command by its environment"
        )
    match target:
        case Transport():
            return [Way(lambda: target, can_repeat=False)]
        case str():
            return _ways_to_url(target, options)
        case AbstractAsyncContextManager():
            streams = StreamPairTransport(target)
            return [Way(lambda: streams, can_repeat=False)]
        case (read, write) if is_stream_pair(read, write):
            streams = StreamPairTransport(closing(read, write))
            return [Way(lambda: streams, can_repeat=False)]
        case [str(), *_]:
            command, *arguments = target
            return [Way(lambda: StdioClientTransport(command, arguments))]
        case _ if callable(target):
            return [Way(partial(_make, target))]
        case _:
            raise ValueError(
                f"no server to connect to: {target!r:.200}; give a URL, a command as "
                "a list of strings, a transport, or a pair of streams"
            )


def _make(make: MakeTransport) -> Transport:
    transport: object = make()
    if not isinstance(transport, Transport):
        raise ValueError(
            f"{make!r:.200} made {transport!r:.200}, which is no transport"
        )
    return transport


def _ways_to_url(url: str, options: HTTPOptions) -> Sequence[Way]:
    match urlsplit(url).scheme.lower():
        case "http" | "https":
            ways = _ways_by_http(url, options)
        case "ws" | "wss":
            ways = [Way(_websocket(url, options))]
        case scheme:
            raise ValueError(
                f"cannot connect to {url!r:.200}: its scheme is {scheme!r}, not http, "
                "https, ws or wss; a command is given as a list of strings"
            )
    for way in ways:
        way.make()  # for what is wrong to be said at once
    return ways


def _ways_by_http(url: str, options: HTTPOptions) -> Sequence[Way]:
    http = client_module("streamable_http").StreamableHTTPClientTransport
    sse = client_module("sse").SSEClientTransport
    arguments: dict[str, Any] = {
        "headers": options.headers,
        "auth": options.auth,
        "http": options.http,
        "verify": options.verify,
        "connect_timeout": options.connect_timeout,
    }
    return [
        Way(partial(http, url, **arguments)),
        Way(partial(sse, url, reconnects=5, **arguments), is_modern=False),
    ]


def _websocket(url: str, options: HTTPOptions) -> MakeTransport:
    if options.auth is not None or options.http is not None:
        raise ValueError(
            "auth and http are for HTTP; give token= or headers= for a WebSocket"
        )
    return partial(
        client_module("websocket").WebSocketClientTransport,
        url,
        headers=options.headers,
        ssl_context=options.verify,
        connect_timeout=options.connect_timeout,
    )


def client_module(binding: str) -> Any:
    """Import the client's half of a binding, whose library may be missing."""
    return importlib.import_module(f"mcp_django.transports.{binding}_client")


def is_other_kind(error: Exception) -> bool:
    """Say whether a server that failed so may be reached in another way."""
    match error:
        case HTTPRefused(status=status):
            return status in _NO_STREAMABLE_HTTP
        case _:
            return isinstance(error, ErrorReceived)


async def shake_hands(
    connection: Connection,
    *,
    wanted: str | None,
    patience: Patience,
    probe_seconds: float,
    prefers_legacy: bool = False,
) -> Found:
    """Find out what a server speaks, and speak it from now on.

    Args:
        connection: Open, and still new or forgotten.
        wanted: The version to speak; None to find out.
        patience: How long to wait for an answer.
        probe_seconds: How long to wait for one that old servers may never give.
        prefers_legacy: Whether a server of both eras is to be spoken to in the older.

    Raises:
        EndedByProbe: The connection ended; over another one, a server that has only
            the other era may answer.
        ErrorReceived: The server has no version in common with us, or refuses.
        RemoteProtocolError: It answered with nonsense.
        RequestTimeout, TransportError: It did not answer.
    """
    if wanted in versions.LEGACY:
        return await _initialize(connection, wanted, patience)
    probe = patience if wanted else Patience(probe_seconds, probe_seconds)
    try:
        if prefers_legacy and wanted is None:
            found = await _initialize_if_possible(connection, patience)
            if found is not None:
                return found
        return await _find_out(connection, wanted, patience, probe)
    except TransportClosed as error:
        if wanted is not None or connection.protocol.state is not State.NEW:
            raise
        raise EndedByProbe(str(error)) from error.__cause__


async def _initialize_if_possible(
    connection: Connection, patience: Patience
) -> Found | None:
    """Open a session of the legacy era; None if the server may have only the other."""
    try:
        return await _initialize(connection, versions.LATEST_LEGACY, patience)
    except (ErrorReceived, RemoteProtocolError):
        return None
    except RequestFailed as error:
        if not _may_be_of_other_era(error):
            raise
        return None


async def _find_out(
    connection: Connection, wanted: str | None, patience: Patience, probe: Patience
) -> Found:
    """Ask a server what it speaks, and speak it.

    Args:
        connection: As for `shake_hands`.
        wanted: Modern version to speak; None to find out.
        patience: How long to wait for an answer.
        probe: How long to wait for the first one.
    """
    version = wanted or versions.MODERN[0]
    protocol = connection.protocol
    try:
        answer = await connection.request(protocol.send_discover(version), probe)
        other = _version_offered(answer, wanted)
        if other in versions.MODERN:
            # Once, even if it is the same: a server that refuses what it has listed
            # itself has no version for us.
            answer = await connection.request(protocol.send_discover(other), patience)
    except (RequestTimeout, RequestFailed) as error:
        if wanted is not None or not _may_be_of_other_era(error):
            raise
        return await _initialize(connection, versions.LATEST_LEGACY, patience)
    if other in versions.LEGACY:
        return await _initialize(connection, other, patience)
    if wanted is None and _is_legacy(answer):
        return await _initialize(connection, versions.LATEST_LEGACY, patience)
    if isinstance(answer, JSONRPCError):
        raise error_of(answer)
    discovered = _read_discovered(answer)
    chosen = _choose(discovered.supported_versions, wanted)
    if chosen in versions.LEGACY:
        return await _initialize(connection, chosen, patience)
    return _adopt(connection, chosen, discovered, answer)


def _may_be_of_other_era(error: RequestTimeout | RequestFailed) -> bool:
    """Say whether a server may have met a request so that its era does not have."""
    match error:
        case HTTPRefused(status=status):
            return status in _NO_SUCH_REQUEST
        case RequestFailed(was_sent=was_sent):
            return was_sent
        case _:
            return True


def _version_offered(
    answer: JSONRPCResponse | JSONRPCError, wanted: str | None
) -> str | None:
    """Choose among what a server lists that has not the version we asked for."""
    supported = supported_of(answer) if isinstance(answer, JSONRPCError) else None
    return choose_version(supported or (), wanted)


def _is_legacy(answer: JSONRPCResponse | JSONRPCError) -> bool:
    """Say whether a server that answers `server/discover` so is of the legacy era.

    Some answer every method with an empty result.

    Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions".
    """
    if isinstance(answer, JSONRPCError):
        return not is_modern_error(answer)
    return "supportedVersions" not in answer.result


def _read_discovered(answer: JSONRPCResponse) -> DiscoverResult:
    try:
        return validate(DiscoverResult.model_validate, answer.result)
    except ValidationError as error:
        raise RemoteProtocolError(
            f"server/discover was answered with {describe_faults(error, 'result')}"
        ) from None


def _choose(supported: Sequence[str], wanted: str | None) -> str:
    version = choose_version(supported, wanted)
    if version is None:
        ours = [*versions.MODERN, *versions.LEGACY] if wanted is None else [wanted]
        raise RemoteProtocolError(
            f"the server supports {supported!r:.200}, and none of {ours!r}"
        )
    return version


def _adopt(
    connection: Connection,
    version: str,
    discovered: DiscoverResult,
    answer: JSONRPCResponse,
) -> Found:
    """Speak a modern version from now on."""
    connection.protocol.adopt(version)
    said = (answer.result.get("_meta") or {}).get(SERVER_INFO)
    return Found(
        version,
        discovered.capabilities,
        _read_server_info(said or answer.result.get("serverInfo")),
        discovered.instructions,
    )


def _read_server_info(said: Any) -> Implementation | None:
    """Read what a server says of itself, which decides nothing."""
    try:
        return validate(Implementation.model_validate, said)
    except ValidationError:
        return None


async def _initialize(
    connection: Connection, version: str, patience: Patience
) -> Found:
    """Open a session of the legacy era.

    Spec: 2025-11-25 basic/lifecycle, "Initialization".
    """
    protocol = connection.protocol
    offered = [version]
    request = protocol.send_initialize(version)
    while isinstance(
        answer := await connection.request(request, patience), JSONRPCError
    ):
        other = _other_version(answer, offered)
        if other is None:
            raise error_of(answer)
        offered.append(other)
        request = protocol.send_initialize(other)
    try:
        opened = validate(InitializeResult.model_validate, answer.result)
    except ValidationError as error:
        raise RemoteProtocolError(
            f"initialize was answered with {describe_faults(error, 'result')}"
        ) from None
    if opened.protocol_version not in versions.LEGACY:
        raise RemoteProtocolError(
            f"the server opened a session in version {opened.protocol_version!r:.100}, "
            f"which is none of {list(versions.LEGACY)!r}"
        )
    protocol.adopt(opened.protocol_version)
    connection.takes_batches(protocol.takes_batches)
    await connection.send(jsonrpc.notification("notifications/initialized"))
    return Found(
        opened.protocol_version,
        opened.capabilities,
        opened.server_info,
        opened.instructions,
    )


def _other_version(refused: JSONRPCError, offered: Sequence[str]) -> str | None:
    """Choose what to offer next to a server that names the versions it supports."""
    data = refused.error.data
    supported = data.get("supported") if isinstance(data, dict) else None
    if not isinstance(supported, list):
        return None
    others = (v for v in versions.LEGACY if v in supported and v not in offered)
    return next(others, None)


def error_of(answer: JSONRPCError) -> ErrorReceived:
    """Make the exception for an error that a server answered with."""
    return ErrorReceived(answer.error.code, answer.error.message, answer.error.data)
