"""What the bridge makes of params and results."""

from __future__ import annotations

import pytest
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    SERVER_INFO_META_KEY,
    Implementation,
    ServerCapabilities,
)

from mcp_django.bridge.remote_server import is_severe
from mcp_django.bridge.results import (
    Results,
    describe,
    params_for_server,
    question_for_legacy,
    question_for_modern,
    server_info_of,
)
from mcp_django.client.handshake import Found
from mcp_django.protocol.jsonrpc import JSON, JSONObject

MODERN = "2026-07-28"


@pytest.mark.parametrize(
    ("params", "is_legacy", "expected"),
    [
        ({"name": "go"}, True, {"name": "go"}),
        ({"_meta": {"progressToken": 1}}, True, {}),
        (
            {"_meta": {CLIENT_CAPABILITIES_META_KEY: {}, "x": 1}},
            False,
            {"_meta": {"x": 1}},
        ),
        ({"_meta": 7}, True, {}),
        ({"requestState": "s", "inputResponses": {}}, True, {}),
        ({"requestState": "s"}, False, {"requestState": "s"}),
    ],
)
def test_params_lose_what_holds_for_one_hop_only(
    params: JSONObject, is_legacy: bool, expected: JSONObject
) -> None:
    """Spec: 2026-07-28 basic, "`_meta`": other members are not ours to drop."""
    given = {**params}
    assert params_for_server(params, is_legacy=is_legacy) == expected
    assert params == given


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"message": "m"}, {"message": "m"}),
        ({"_meta": {"progressToken": 1}, "a": 1}, {"a": 1}),
        ({"_meta": {"progressToken": 1, "x": 1}}, {"_meta": {"x": 1}}),
        ({"mode": "url", "elicitationId": "1"}, {"mode": "url"}),
    ],
)
def test_question_of_a_session_loses_what_results_do_not_have(
    params: JSONObject, expected: JSONObject
) -> None:
    """Spec: 2026-07-28 schema.ts, `InputRequest`."""
    asked = question_for_modern("elicitation/create", params)
    assert asked == {"method": "elicitation/create", "params": expected}


def test_visit_of_a_modern_server_gets_an_id_in_a_session() -> None:
    """Spec: 2025-11-25 schema.ts, `ElicitRequestURLParams`: required there."""
    visit = {"mode": "url", "url": "https://a.example"}
    first, second = question_for_legacy(visit), question_for_legacy(visit)
    assert first["elicitationId"] != second["elicitationId"]
    named = {**visit, "elicitationId": "1"}
    assert question_for_legacy(named) == named
    assert question_for_legacy({"message": "m"}) == {"message": "m"}


def test_server_without_a_name_gets_ours() -> None:
    """Spec: 2025-11-25 schema.ts, `InitializeResult`: it must have one."""
    found = Found(MODERN, ServerCapabilities(), None, None)
    assert server_info_of(found)["name"] == "mcp_django"
    assert describe(found, MODERN) == {
        "capabilities": {},
        "supportedVersions": [MODERN],
    }


def test_capabilities_are_promised_as_far_as_they_are_passed_on() -> None:
    """Chosen: tasks are not."""
    capabilities = ServerCapabilities.model_validate(
        {"tools": {}, "completions": {}, "tasks": {}, "experimental": {"x": {}}}
    )
    found = Found(MODERN, capabilities, Implementation(name="s", version="1"), "Do.")
    assert describe(found, "2025-03-26") == {
        "capabilities": {"tools": {}, "completions": {}, "experimental": {"x": {}}},
        "serverInfo": {"name": "s", "version": "1"},
        "instructions": "Do.",
    }


TOOL: JSONObject = {"name": "t", "inputSchema": {}}
LISTED: JSONObject = {"tools": [{**TOOL, "outputSchema": {"anyOf": [{}, {}]}}]}
CALL: JSONObject = {"name": "t"}


def test_result_is_wrapped_exactly_if_the_schema_was_that_the_client_saw() -> None:
    """Spec: 2025-11-25 schema.ts, `Tool.outputSchema`: objects only."""
    results = Results()
    result: JSONObject = {"content": [], "structuredContent": {"a": 1}}

    def structured() -> JSON:
        adapted = results.for_legacy("tools/call", CALL, result, "2025-11-25")
        return adapted["structuredContent"]

    assert structured() == {"a": 1}
    [listed] = results.for_legacy("tools/list", {}, LISTED, "2025-11-25")["tools"]
    assert listed["outputSchema"]["required"] == ["result"]
    assert structured() == {"result": {"a": 1}}
    plain = {"tools": [{**TOOL, "outputSchema": {"type": "object"}}]}
    results.for_legacy("tools/list", {}, plain, "2025-11-25")
    assert structured() == {"a": 1}


def test_tools_that_are_remembered_are_bounded() -> None:
    """Chosen: a server that changes its names to no end costs bounded memory."""
    results = Results()
    tool = LISTED["tools"][0]
    many = {"tools": [{**tool, "name": f"t{number}"} for number in range(10_001)]}
    results.for_legacy("tools/list", {}, many, "2025-11-25")
    results.for_legacy("tools/list", {}, LISTED, "2025-11-25")
    result: JSONObject = {"content": [], "structuredContent": {"a": 1}}

    def structured(name: str) -> JSON:
        params = {"name": name}
        adapted = results.for_legacy("tools/call", params, result, "2025-11-25")
        return adapted["structuredContent"]

    assert structured("t0") == {"a": 1}
    assert structured("t") == {"result": {"a": 1}}


def test_modern_result_keeps_what_it_says_itself() -> None:
    """Spec: 2026-07-28 server/utilities/caching."""
    results, ours = Results(), {"name": "ours", "version": "1"}
    theirs = {SERVER_INFO_META_KEY: {"name": "theirs", "version": "2"}}
    said: JSONObject = {
        "tools": [],
        "ttlMs": 5,
        "cacheScope": "public",
        "_meta": theirs,
    }
    assert results.for_modern("tools/list", said, ours) == said
    asked = {"resultType": "input_required", "requestState": "s"}
    assert results.for_modern("resources/read", asked, ours) == {
        **asked,
        "_meta": {SERVER_INFO_META_KEY: ours},
    }


@pytest.mark.parametrize(
    ("level", "least", "expected"),
    [
        ("info", "info", True),
        ("debug", "info", False),
        ("emergency", "alert", True),
        ("loud", "emergency", True),
        (None, "debug", True),
        ([], "debug", True),
    ],
)
def test_severity_is_compared_and_what_is_none_is_not_hidden(
    level: JSON, least: str, expected: bool
) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Log Levels"."""
    assert is_severe(level, least) is expected
