"""What handlers tell clients while they run."""

import pytest

from mcp_django import Context, Server
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.log_levels import LOG_LEVELS
from tests.server.calls import KINDS, MODERN, Caller, Notebook, use


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


# Progress ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token", ["abc", "", 0, 7])
async def test_progress_is_sent_with_the_client_s_token(
    kind: str, token: str | int
) -> None:
    """Spec: 2025-11-25 basic/utilities/progress, "Progress Flow"."""
    caller = Caller(Server("shop"))
    meta = {"progressToken": token}
    await use(caller, kind, "report_progress", 1, 2.5, "half", meta=meta)
    assert caller.notified == [
        (
            "notifications/progress",
            {"progressToken": token, "progress": 1, "total": 2.5, "message": "half"},
        )
    ]


@pytest.mark.parametrize("meta", [{}, {"progressToken": True}, {"a": 1}])
async def test_no_progress_is_sent_without_a_token(meta: JSONObject) -> None:
    """Spec: 2025-11-25 basic/utilities/progress: tokens are strings or integers."""
    caller = Caller(Server("shop"))
    await use(caller, "async def", "report_progress", 1, meta=meta)
    assert caller.notified == []


async def test_progress_has_no_message_in_the_oldest_version() -> None:
    """Spec: 2025-03-26 schema.ts, `ProgressNotification`: `message` is new."""
    caller = Caller(Server("shop"), version="2024-11-05")
    meta = {"progressToken": 1}
    await use(caller, "async def", "report_progress", 1, None, "half", meta=meta)
    assert caller.notified == [
        ("notifications/progress", {"progressToken": 1, "progress": 1})
    ]


async def test_progress_only_grows() -> None:
    """Spec: 2025-11-25 basic/utilities/progress: "MUST increase with each
    notification". That others are left out is our choice."""
    caller = Caller(Server("shop"))
    request = caller.request("tools/call", {"_meta": {"progressToken": 1}})
    context = Context(caller.server, request)
    for value in (0, 1, 1, 0.5, 1.5, -3, 2):
        await context.report_progress(value)
    # A run of the handler from the top has a context of its own.
    for value in (1, 3):
        await Context(caller.server, request).report_progress(value)
    assert [params["progress"] for _, params in caller.notified] == [0, 1, 1.5, 2, 3]


async def test_nothing_is_sent_after_the_end_of_a_request() -> None:
    """Spec: 2025-11-25 basic/utilities/progress: notifications stop after completion.
    A thread may run on after its request was cancelled."""
    caller = Caller(Server("shop"), session=Notebook(log_level="debug"))
    request = caller.request("tools/call", {"_meta": {"progressToken": 1}})
    request.is_cancelled = True
    context = Context(caller.server, request)
    await context.report_progress(1)
    await context.log("error", "too late")
    assert caller.notified == []


# Logging ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_log_message_is_sent(kind: str) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Log Message Notifications"."""
    caller = Caller(Server("shop"), session=Notebook())
    await use(caller, kind, "log", "warning", {"stock": None}, logger="shop")
    assert caller.notified == [
        (
            "notifications/message",
            {"level": "warning", "data": {"stock": None}, "logger": "shop"},
        )
    ]


@pytest.mark.parametrize("wanted", LOG_LEVELS)
async def test_log_messages_below_the_chosen_severity_are_left_out(
    wanted: str,
) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Setting Log Level"."""
    caller = Caller(Server("shop"), session=Notebook(log_level=wanted))
    context = Context(caller.server, caller.request("tools/call"))
    for level in LOG_LEVELS:
        await context.log(level, "text")  # type: ignore[arg-type]
    sent = [params["level"] for _, params in caller.notified]
    assert sent == list(LOG_LEVELS[LOG_LEVELS.index(wanted) :])


async def test_nothing_is_logged_where_there_is_no_session() -> None:
    """Our choice: nobody has chosen a severity."""
    caller = Caller(Server("shop"))
    await Context(caller.server, caller.request("tools/call")).log("error", "text")
    assert caller.notified == []


@pytest.mark.parametrize("wanted", LOG_LEVELS)
async def test_modern_request_chooses_the_severity_for_itself(wanted: str) -> None:
    """Spec: 2026-07-28 server/utilities/logging, "Per-request log level"."""
    caller = Caller(Server("shop"), version=MODERN, log_level=wanted)
    context = Context(caller.server, caller.request("tools/call"))
    for level in LOG_LEVELS:
        await context.log(level, "text")  # type: ignore[arg-type]
    sent = [params["level"] for _, params in caller.notified]
    assert sent == list(LOG_LEVELS[LOG_LEVELS.index(wanted) :])


@pytest.mark.parametrize("kind", KINDS)
async def test_modern_request_that_chooses_none_is_sent_no_log_messages(
    kind: str,
) -> None:
    """Spec: 2026-07-28 server/utilities/logging, "Per-request log level"."""
    caller = Caller(Server("shop"), version=MODERN)
    await use(caller, kind, "log", "emergency", "text")
    assert caller.notified == []


async def test_unknown_severity_is_a_mistake() -> None:
    """Our choice: told to the developer, whatever the client wants to see."""
    server = Server("shop")
    context = Context(server, Caller(server).request("tools/call"))
    with pytest.raises(ValueError, match="level must be one of"):
        await context.log("loud", "text")  # type: ignore[arg-type]
