"""Finds out what a server speaks, and begins to speak it.

Spec: 2026-07-28 basic/versioning, "Backward Compatibility with Initialization-Based
Versions", and the pages on stdio and Streamable HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from mcp_types import SERVER_INFO_META_KEY as SERVER_INFO
from mcp_types import (
    DiscoverResult,
    Implementation,
    InitializeResult,
    ServerCapabilities,
)
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from mcp_django.client.connection import Connection, Patience
from mcp_django.client.later import ask_again
from mcp_django.client.reading import validate
from mcp_django.exceptions import (
    ErrorReceived,
    HTTPRefused,
    MCPError,
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

_ABOUT_THE_CLIENT: Final = (401, 402, 403, 407, 429, 451, 511)
"""HTTP statuses that are about who asks, and how often, whatever is asked.

Any other one may come of the question itself: servers that do not know it give 400 and
404, fall over (500), or make a proxy say that they are gone (502, 503, 504).
"""


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
        answer = await _ask(
            connection, partial(protocol.send_discover, version), probe, patience
        )
        other = _version_offered(answer, wanted)
        if other in versions.MODERN:
            # Once, even if it is the same: a server that refuses what it has listed
            # itself has no version for us.
            answer = await connection.request(protocol.send_discover(other), patience)
    except (RemoteProtocolError, RequestTimeout, RequestFailed) as error:
        if wanted is not None or not _may_be_of_other_era(error):
            raise
        return await _initialize_instead(connection, patience, error)
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


async def _initialize_instead(
    connection: Connection, patience: Patience, failure: MCPError
) -> Found:
    """Open a session with a server that has not said what it speaks.

    Args:
        connection: As for `shake_hands`.
        patience: How long to wait.
        failure: How it met the question, which stands if it has no sessions either.
    """
    try:
        return await _initialize(connection, versions.LATEST_LEGACY, patience)
    except ErrorReceived as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        raise failure from error


def _may_be_of_other_era(error: MCPError) -> bool:
    """Say whether a server may have met a request so that its era does not have."""
    match error:
        case HTTPRefused(status=503, headers={"retry-after": _}):
            return False  # It knows what is asked, and has no time now.
        case HTTPRefused(status=status):
            return status >= 400 and status not in _ABOUT_THE_CLIENT
        case RequestFailed(was_sent=was_sent):
            return was_sent
        case _:
            return True


async def _ask(
    connection: Connection,
    make: Callable[[], JSONRPCRequest],
    patience: Patience,
    waiting: Patience,
) -> JSONRPCResponse | JSONRPCError:
    """Send a request, and again if the server says that it has no time now."""
    return await ask_again(
        lambda: connection.request(make(), patience),
        within=waiting.seconds,
        is_harmless=True,
    )


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
        ours = list(versions.ALL) if wanted is None else [wanted]
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
    while isinstance(
        answer := await _ask(
            connection, partial(protocol.send_initialize, version), patience, patience
        ),
        JSONRPCError,
    ):
        other = _other_version(answer, offered)
        if other is None:
            raise error_of(answer)
        offered.append(other)
        version = other
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
