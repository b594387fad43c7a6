"""How a client finds out what a server speaks, and how to reach it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import Implementation, ServerCapabilities
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)

from mcp_django.client.client import Client
from mcp_django.exceptions import (
    ConnectFailed,
    ErrorReceived,
    HTTPRefused,
    LocalProtocolError,
    MCPError,
    RemoteProtocolError,
    RequestFailed,
    RequestTimeout,
    TransportClosed,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import (
    DISCOVERED,
    INITIALIZED,
    KEY,
    LATEST,
    LATEST_LEGACY,
    LEGACY,
    MODERN,
    OFFERED,
    SERVER_INFO,
    Answer,
    Refusal,
    Script,
    Silence,
    beside,
    connected,
    serving,
)
from tests.client.virtual_time import BACKENDS

UNSUPPORTED = -32022
DISCOVER = "server/discover"
LEGACY_TALK = [DISCOVER, "initialize", "notifications/initialized"]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: no test of this module waits."""
    return request.param, BACKENDS[request.param]()


async def talk(script: Script, **options: Any) -> list[str]:
    """Connect with a server, and give the methods that it heard."""
    async with connected(script, **options) as (_, server):
        await anyio.wait_all_tasks_blocked()
        return server.methods


async def failure(script: Script, **options: Any) -> tuple[MCPError, list[str]]:
    """Fail to connect with a server; give the error and the methods it heard."""
    with anyio.fail_after(1000):
        async with serving(script) as server:
            with pytest.raises(MCPError) as caught:
                async with Client(server.transport, **options):
                    raise AssertionError("it connects")
            await server.until_closed()
            return caught.value, server.methods


# The modern era -----------------------------------------------------------------------


async def test_modern_server_is_discovered() -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"."""
    async with connected(MODERN) as (client, server):
        assert client.version == LATEST
        assert client.server_info == Implementation(name="shop", version="1.0")
        assert client.server_capabilities == ServerCapabilities.model_validate(OFFERED)
        assert client.instructions == "Be quick."
        await anyio.wait_all_tasks_blocked()
        assert server.methods == [DISCOVER]


SAID: dict[str, tuple[JSONObject, Implementation | None]] = {
    "in _meta": (
        {"_meta": {f"{KEY}/serverInfo": SERVER_INFO}},
        Implementation(name="shop", version="1.0"),
    ),
    "beside it": (
        {"serverInfo": SERVER_INFO},
        Implementation(name="shop", version="1.0"),
    ),
    "nowhere": ({}, None),
    "with nothing else": ({"_meta": {}}, None),
    "as nonsense": ({"_meta": {f"{KEY}/serverInfo": 7}}, None),
}


@pytest.mark.parametrize(("said", "server_info"), SAID.values(), ids=SAID)
async def test_server_may_say_its_name(
    said: JSONObject, server_info: Implementation | None
) -> None:
    """Spec: 2026-07-28 server/discover, "Response": servers should, and it decides
    nothing."""
    nameless = {k: v for k, v in DISCOVERED.items() if k != "_meta"}
    async with connected({DISCOVER: {**nameless, **said}}) as (client, _):
        assert client.server_info == server_info


MALFORMED_DISCOVERIES: dict[str, tuple[JSONObject, str]] = {
    "versions that are no list": (
        {**DISCOVERED, "supportedVersions": LATEST},
        "server/discover was answered with invalid result: supportedVersions: Input "
        "should be a valid list",
    ),
    "a _meta that is no object": (
        {**DISCOVERED, "_meta": 7},
        "server/discover was answered with invalid result: _meta: Input should be a "
        "valid dictionary",
    ),
    "versions of a later time": (
        {**DISCOVERED, "supportedVersions": ["2099-01-01"]},
        "the server supports ['2099-01-01'], and none of ['2026-07-28', '2025-11-25', "
        "'2025-06-18', '2025-03-26', '2024-11-05']",
    ),
    "no versions": (
        {**DISCOVERED, "supportedVersions": []},
        "the server supports [], and none of ['2026-07-28', '2025-11-25', "
        "'2025-06-18', '2025-03-26', '2024-11-05']",
    ),
}


@pytest.mark.parametrize(
    ("result", "text"), MALFORMED_DISCOVERIES.values(), ids=MALFORMED_DISCOVERIES
)
async def test_malformed_discovery_is_the_fault_of_the_server(
    result: JSONObject, text: str
) -> None:
    """Our choice: it claims to be modern, so there is nothing to fall back to."""
    error, methods = await failure({DISCOVER: result})
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == text
    assert methods == [DISCOVER]


async def test_version_is_chosen_from_those_of_the_error() -> None:
    """Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation"."""
    refusal = Refusal(UNSUPPORTED, data={"supported": ["2025-06-18", "2024-11-05"]})
    script: Script = {
        DISCOVER: refusal,
        "initialize": {**INITIALIZED, "protocolVersion": "2025-06-18"},
    }
    async with connected(script) as (client, server):
        assert client.version == "2025-06-18"
        [params] = server.params_of("initialize")
        assert params is not None
        assert params["protocolVersion"] == "2025-06-18"


async def test_modern_version_of_the_error_is_asked_for_once() -> None:
    """Our choice: a server that refuses what it lists has no version for us."""
    refusal = Refusal(UNSUPPORTED, "no", {"supported": [LATEST]})
    assert await talk({DISCOVER: [refusal, DISCOVERED]}) == [DISCOVER, DISCOVER]
    error, methods = await failure({DISCOVER: refusal})
    assert isinstance(error, ErrorReceived)
    assert (error.code, error.data) == (UNSUPPORTED, {"supported": [LATEST]})
    assert methods == [DISCOVER, DISCOVER]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(UNSUPPORTED, "no", {"supported": ["2099-01-01"]}),
        Refusal(UNSUPPORTED, "no", {"supported": 7}),
        Refusal(UNSUPPORTED, "no"),
        Refusal(HEADER_MISMATCH, "no"),
        Refusal(MISSING_REQUIRED_CLIENT_CAPABILITY, "no"),
    ],
)
async def test_modern_error_is_final(refusal: Refusal) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Backward Compatibility": do not fall
    back to initialize."""
    error, methods = await failure({DISCOVER: refusal, "initialize": INITIALIZED})
    assert isinstance(error, ErrorReceived)
    assert (error.code, error.message, error.data) == (
        refusal.code,
        "no",
        refusal.data,
    )
    assert methods == [DISCOVER]


# The legacy era -----------------------------------------------------------------------

OLD: dict[str, Answer] = {
    "method not found": Refusal(-32601),
    "invalid params": Refusal(-32602),
    "a code of its own": Refusal(-32000),
    "anything": Refusal(0, "?", {"supported": [LATEST]}),
    "an empty result": {},
    "no answer": Silence(),
}


@pytest.mark.parametrize("answer", OLD.values(), ids=OLD)
async def test_server_that_answers_otherwise_is_initialized(answer: Answer) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Backward Compatibility": not keyed to
    one specific error code."""
    async with connected({DISCOVER: answer, "initialize": INITIALIZED}) as (
        client,
        server,
    ):
        assert client.version == LATEST_LEGACY
        assert client.server_info == Implementation(name="shop", version="1.0")
        assert client.server_capabilities == ServerCapabilities.model_validate(OFFERED)
        assert client.instructions == "Be quick."
        await server.expect_notified("notifications/initialized")
        expected = ["notifications/cancelled"] if isinstance(answer, Silence) else []
        assert [m for m in server.methods if m not in LEGACY_TALK] == expected


async def test_silent_server_is_waited_for_as_long_as_a_probe_may_take() -> None:
    """Our choice: `probe_timeout`, not the whole patience."""
    began = anyio.current_time()
    await talk({DISCOVER: Silence(), "initialize": INITIALIZED}, probe_timeout=7.0)
    assert 7.0 <= anyio.current_time() - began < 8.0


@pytest.mark.parametrize(
    "status", [400, 404, 405, 406, 409, 410, 415, 422, 500, 501, 502, 503, 504, 520]
)
async def test_http_server_that_does_not_know_the_request_is_initialized(
    status: int,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Backward Compatibility"."""
    async with serving({"initialize": INITIALIZED}) as server:

        async def open_and_close() -> str:
            async with Client(server.transport) as client:
                return client.version

        async with beside(open_and_close) as opened:
            probe = await server.expect(DISCOVER)
            server.report(HTTPRefused("no", status=status, request_id=probe.id))
        assert opened.result() == LATEST_LEGACY


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        *((status, {}) for status in (302, 401, 402, 403, 407, 429, 451, 511)),
        (503, {"retry-after": "3600"}),
    ],
)
async def test_http_server_that_refuses_for_another_reason_is_not_initialized(
    status: int, headers: dict[str, str]
) -> None:
    """Our choice: it would refuse `initialize` as well, and the reason gets lost."""
    async with serving({"initialize": INITIALIZED}) as server:

        async def open_it() -> None:
            async with Client(server.transport):
                raise AssertionError("it connects")

        async with beside(open_it) as opened:
            probe = await server.expect(DISCOVER)
            refused = HTTPRefused(
                "no", status=status, headers=headers, request_id=probe.id
            )
            server.report(refused)
        assert opened.error is refused
        assert server.methods == [DISCOVER]


async def test_first_failure_stands_if_the_server_has_no_sessions_either() -> None:
    """Our choice: that `initialize` is unknown says nothing of what is wrong."""
    script: Script = {"initialize": Refusal(METHOD_NOT_FOUND, "Method not found")}
    async with serving(script) as server:

        async def open_it() -> None:
            async with Client(server.transport):
                raise AssertionError("it connects")

        async with beside(open_it) as opened:
            probe = await server.expect(DISCOVER)
            failure = HTTPRefused("no", status=500, request_id=probe.id)
            server.report(failure)
        assert opened.error is failure
        assert server.methods == [DISCOVER, "initialize"]


async def test_server_that_lists_only_older_versions_is_initialized() -> None:
    """Our choice: it says that it knows that version, and how it answers is its own."""
    discovered = {**DISCOVERED, "supportedVersions": ["2025-06-18"]}
    opened = {**INITIALIZED, "protocolVersion": "2025-06-18"}
    async with connected({DISCOVER: discovered, "initialize": opened}) as (client, _):
        assert client.version == "2025-06-18"


@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26", "2024-11-05"])
async def test_server_may_choose_an_older_version(version: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    opened = {**INITIALIZED, "protocolVersion": version}
    async with connected(LEGACY, more={"initialize": opened}) as (client, server):
        assert client.version == version
        # Spec: 2025-03-26 basic, "Batching": in this version alone.
        assert server.transport.takes_batches is (version == "2025-03-26")


MALFORMED_OPENINGS: dict[str, tuple[JSONObject, str]] = {
    "an unknown version": (
        {**INITIALIZED, "protocolVersion": "1999-01-01"},
        "the server opened a session in version '1999-01-01', which is none of "
        "['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']",
    ),
    "a version that has no sessions": (
        {**INITIALIZED, "protocolVersion": LATEST},
        "the server opened a session in version '2026-07-28', which is none of "
        "['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']",
    ),
    "no version": (
        {k: v for k, v in INITIALIZED.items() if k != "protocolVersion"},
        "initialize was answered with invalid result: protocolVersion: Field required",
    ),
    "capabilities that are no object": (
        {**INITIALIZED, "capabilities": []},
        "initialize was answered with invalid result: capabilities: Input should be a "
        "valid dictionary or instance of ServerCapabilities",
    ),
}


@pytest.mark.parametrize(
    ("result", "text"), MALFORMED_OPENINGS.values(), ids=MALFORMED_OPENINGS
)
async def test_malformed_opening_is_the_fault_of_the_server(
    result: JSONObject, text: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation": disconnect."""
    error, methods = await failure({**LEGACY, "initialize": result})
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == text
    assert methods == [DISCOVER, "initialize"]


REFUSALS: list[JSON] = [
    None,
    7,
    {"supported": 7},
    {"supported": "2025-06-18"},
    {"supported": []},
    {"supported": [LATEST, LATEST_LEGACY, {}]},
]


@pytest.mark.parametrize("data", REFUSALS)
async def test_refused_opening_is_final(data: JSON) -> None:
    """Our choice: with nothing to choose from, what was refused counts."""
    error, methods = await failure(
        {**LEGACY, "initialize": Refusal(-32602, "no", data)}
    )
    assert isinstance(error, ErrorReceived)
    assert (error.code, error.message, error.data) == (-32602, "no", data)
    assert methods == [DISCOVER, "initialize"]


async def test_version_of_a_refused_opening_is_offered() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Error Handling": `supported` in the data."""
    refusal = Refusal(-32602, "no", {"supported": ["2024-11-05", "2025-03-26"]})
    opened = {**INITIALIZED, "protocolVersion": "2025-03-26"}
    async with connected(LEGACY, more={"initialize": [refusal, opened]}) as (
        client,
        server,
    ):
        assert client.version == "2025-03-26"
        offered = server.params_of("initialize")
        assert [(params or {})["protocolVersion"] for params in offered] == [
            "2025-11-25",
            "2025-03-26",
        ]


async def test_each_version_is_offered_once() -> None:
    """Our choice: a server that refuses them in turn keeps nobody busy for ever."""
    refusals: list[Answer] = [
        Refusal(-32602, "no", {"supported": ["2025-06-18"]}),
        Refusal(-32602, "no", {"supported": ["2025-11-25", "2025-06-18"]}),
    ]
    error, methods = await failure({**LEGACY, "initialize": refusals})
    assert isinstance(error, ErrorReceived)
    assert methods == [DISCOVER, "initialize", "initialize"]


async def test_silence_to_initialize_is_a_timeout() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: initialize is not cancelled."""
    began = anyio.current_time()
    error, methods = await failure({**LEGACY, "initialize": Silence()}, timeout=30.0)
    assert isinstance(error, RequestTimeout)
    assert str(error) == "the server did not answer 'initialize' within 30 seconds"
    assert 30.0 <= anyio.current_time() - began < 31.0
    assert methods == [DISCOVER, "initialize"]


# One version --------------------------------------------------------------------------


async def test_modern_version_alone_is_not_fallen_back_from() -> None:
    """Our choice: `version` is the one version to speak."""
    assert await talk(MODERN, version=LATEST) == [DISCOVER]
    error, methods = await failure({**LEGACY}, version=LATEST)
    assert isinstance(error, ErrorReceived)
    assert methods == [DISCOVER]
    other = {**DISCOVERED, "supportedVersions": [LATEST_LEGACY]}
    error, _ = await failure({**LEGACY, DISCOVER: other}, version=LATEST)
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == (
        "the server supports ['2025-11-25'], and none of ['2026-07-28']"
    )
    error, _ = await failure(
        {
            **LEGACY,
            DISCOVER: Refusal(UNSUPPORTED, "no", {"supported": [LATEST_LEGACY]}),
        },
        version=LATEST,
    )
    assert isinstance(error, ErrorReceived)


async def test_modern_version_alone_is_waited_for_with_all_patience() -> None:
    """Our choice: it is no probe."""
    error, methods = await failure(
        {DISCOVER: Silence(), "initialize": INITIALIZED},
        version=LATEST,
        timeout=30.0,
        probe_timeout=1.0,
    )
    assert isinstance(error, RequestTimeout)
    assert str(error) == (
        "the server did not answer 'server/discover' within 30 seconds"
    )
    assert "initialize" not in methods


@pytest.mark.parametrize("version", ["2025-11-25", "2024-11-05"])
async def test_legacy_version_alone_needs_no_discovery(version: str) -> None:
    """Our choice: a server of that era may not know it."""
    opened = {**INITIALIZED, "protocolVersion": version}
    async with connected({"initialize": opened}, version=version) as (client, server):
        assert client.version == version
        [params] = server.params_of("initialize")
        assert params is not None
        assert params["protocolVersion"] == version
        assert DISCOVER not in server.methods


async def test_server_that_speaks_another_version_is_left() -> None:
    """Our choice: nobody is wrong, but there is no connection."""
    error, _ = await failure(LEGACY, version="2025-03-26")
    assert isinstance(error, ConnectFailed)
    assert str(error) == (
        "the server speaks '2025-11-25', and not '2025-03-26', the one version that is "
        "to be spoken"
    )


def test_version_has_to_be_one_that_there_is() -> None:
    """Our choice: a wrong argument is found before anything is sent."""
    with pytest.raises(ValueError, match="version '1' is none of") as caught:
        Client("http://localhost/mcp", version="1")
    assert str(caught.value) == (
        "version '1' is none of ['2026-07-28', '2025-11-25', '2025-06-18', "
        "'2025-03-26', '2024-11-05']"
    )


# Failures -----------------------------------------------------------------------------


async def test_server_that_leaves_at_once_is_said_to_have_left() -> None:
    """Our choice: not after the timeout."""
    async with serving({}) as server:
        await server.close()
        with pytest.raises(TransportClosed):
            async with Client(server.transport):
                raise AssertionError("it connects")


async def test_request_that_fails_while_connecting_is_no_connection() -> None:
    """Our choice: what the transport says of a request is about the whole then."""
    async with serving({}) as server:

        async def open_it() -> None:
            async with Client(server.transport):
                raise AssertionError("it connects")

        async with beside(open_it) as opened:
            probe = await server.expect(DISCOVER)
            server.report(RequestFailed("unplugged", request_id=probe.id))
        assert isinstance(opened.error, ConnectFailed)
        assert str(opened.error) == "unplugged"


async def test_client_is_opened_once() -> None:
    """Our choice: what it has seen of one server holds for no other."""
    async with serving(MODERN) as server:
        client = Client(server.transport)
        async with client:
            with pytest.raises(LocalProtocolError, match="opened once"):
                await client.__aenter__()
        with pytest.raises(LocalProtocolError, match="opened once"):
            await client.__aenter__()
