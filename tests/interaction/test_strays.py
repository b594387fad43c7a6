"""Whatever code of the site raises, wherever it runs, becomes an answer.

A table: all classes of `STRAYS`, by all places where code of the site runs, in memory;
over other bindings one class for each place, and a third of the places for each.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import anyio
import mcp_types as types
import pytest
from django.core.signals import got_request_exception
from django.dispatch import Signal
from mcp.shared.exceptions import MCPError
from pytest_django import Settings

from mcp_django.server.receivers import all_told
from mcp_django.signals import request_handled
from tests.fault_lines import begin_anew
from tests.interaction import straying
from tests.interaction.bindings import VIEWS
from tests.interaction.client import (
    BOUND,
    LATEST_LEGACY,
    MODERN,
    Answers,
    Client,
    error_of,
    text_of,
)
from tests.interaction.conftest import Connect
from tests.interaction.straying import now, server
from tests.interaction.ways import WAYS, Way
from tests.server.stray_errors import STRAYS

Ask: TypeAlias = Callable[[Client], Awaitable[str]]
"""Lets a client ask for something, and gives what it is told."""

NEUTRAL: Final = "Internal error"

_NEWEST: Final = (LATEST_LEGACY, MODERN)

_WAYS: Final = [
    way
    for way in (*WAYS, *(Way(view, v, "asyncio") for view in VIEWS for v in _NEWEST))
    if way.version in _NEWEST
    and way.binding != "socket"
    and (way.loop == "asyncio" or way.binding == "memory")
    and (way.binding, way.version) != ("view-sse", MODERN)
]


def call(tool: str, **arguments: Any) -> Ask:
    """Call a tool."""

    async def ask(client: Client) -> str:
        try:
            return text_of(await client.call(tool, arguments, progress_callback=hear))
        except MCPError as error:
            return str(error.error.message)

    return ask


async def hear(progress: float, total: float | None, message: str | None) -> None:
    """Hear how far a tool is."""


def read(uri: str) -> Ask:
    """Read a resource."""

    async def ask(client: Client) -> str:
        return (await error_of(client.session.read_resource(uri))).message

    return ask


def get(prompt: str, **arguments: str) -> Ask:
    """Get a prompt."""

    async def ask(client: Client) -> str:
        return (await error_of(client.session.get_prompt(prompt, arguments))).message

    return ask


def complete(prompt: str) -> Ask:
    """Complete the argument of a prompt."""

    async def ask(client: Client) -> str:
        reference = types.PromptReference(name=prompt)
        argument = {"name": "name", "value": "f"}
        asked = client.session.complete(reference, argument)
        return (await error_of(asked)).message

    return ask


async def list_all(client: Client) -> str:
    """Read every list."""
    tools = (await client.session.list_tools()).tools
    resources = (await client.session.list_resources()).resources
    templates = (await client.session.list_resource_templates()).resource_templates
    prompts = (await client.session.list_prompts()).prompts
    names = {item.name for item in (*tools, *resources, *templates, *prompts)}
    return "hidden" if now.place not in names else "shown"


async def list_titles(client: Client) -> str:
    """Read the list that has a title."""
    resources = (await client.session.list_resources()).resources
    [titled] = [r for r in resources if r.uri == "test://title"]
    return str(titled.title)


async def subscribe(client: Client) -> str:
    """Subscribe to a resource."""
    if client.is_modern:
        async with client.listening("test://resource"):
            return NEUTRAL
    return (await error_of(client.subscribe("test://resource"))).message


PLACES: Final[Mapping[str, tuple[str, Ask, str]]] = {
    # what: (where it is raised, what is asked, what the client is told)
    **{
        name: (name, call(name), NEUTRAL)
        for name in (
            "tool",
            "tool_async",
            "tool_in_thread",
            "tool_in_finally",
            "tool_in_finally_async",
            "tool_after_progress",
            "tool_after_progress_in_thread",
            "tool_with_lazy_progress",
            "tool_error_text",
            "answer_text",
            "answer_data",
            "django_text",
            "failure_text",
            "serializer",
            "validator_of_result",
            "lazy_in_verbatim",
            "lazy_result",
            "lazy_text",
            "generator",
            "generator_in_loop",
            "generator_async",
            "iterator",
            "kind_of_result",
            "form",
        )
    },
    "computed_field": ("computed_field", call("computed_field_of_result"), NEUTRAL),
    "serializer in list": ("serializer", call("serializer_in_list"), NEUTRAL),
    "form in thread": ("form", call("form_in_thread"), NEUTRAL),
    **{
        name: (name, call(name, text="x"), NEUTRAL)
        for name in ("validator_before", "validator_after")
    },
    **{
        name: (name, call(name, order={"text": "x"}), NEUTRAL)
        for name in ("default_factory", "validator_of_model")
    },
    **{
        name: (name, call("around"), NEUTRAL)
        for name in ("around_before", "around_after", "around_made", "aenter", "aexit")
    },
    "around_instead": ("around_instead", call("around_failure"), NEUTRAL),
    **{
        f"{name} of tool": (name, call(name), f"Unknown tool: {name}")
        for name in ("permission", "permission_async", "permission_truth")
    },
    **{
        f"{name} of resource": (name, read(f"test://{name}"), "Resource not found")
        for name in ("permission", "permission_async", "permission_truth")
    },
    **{
        f"{name} of prompt": (name, get(name), f"Unknown prompt: {name}")
        for name in ("permission", "permission_async", "permission_truth")
    },
    **{
        f"{name} in lists": (name, list_all, "hidden")
        for name in ("permission", "permission_async", "permission_truth")
    },
    **{
        f"{name} of tool": (name, call(name, id="1"), "Not found")
        for name in ("permission_row", "permission_row_async")
    },
    **{
        f"{name} of resource": (name, read(f"test://{name}/1"), "Resource not found")
        for name in ("permission_row", "permission_row_async")
    },
    "resource": ("resource", read("test://resource"), NEUTRAL),
    "resource_async": ("resource_async", read("test://resource_async"), NEUTRAL),
    "template": ("template", read("test://template/1"), NEUTRAL),
    "template_async": ("template_async", read("test://template_async/1"), NEUTRAL),
    "resource_text": ("resource_text", read("test://template_async/1"), NEUTRAL),
    "validator_of_template": (
        "validator_of_template",
        read("test://checked/1"),
        NEUTRAL,
    ),
    "prompt": ("prompt", get("prompt", name="x"), NEUTRAL),
    "prompt_async": ("prompt_async", get("prompt_async", name="x"), NEUTRAL),
    "prompt_text": ("prompt_text", get("prompt", name="x"), NEUTRAL),
    "validator_of_prompt": ("validator_of_prompt", get("prompt", name="x"), NEUTRAL),
    "completion": ("completion", complete("prompt"), NEUTRAL),
    "completion_read": ("completion_read", complete("prompt"), NEUTRAL),
    "completion_async": ("completion_async", complete("prompt_async"), NEUTRAL),
    "title_of_resource": ("title_of_resource", list_titles, "None"),
    "subscription": ("resource", subscribe, NEUTRAL),
    **{
        name: (name, call("tool"), "fine")
        for name in ("language", "language_async", "receiver", "receiver_async")
    },
    **{
        name: (name, call("around_failure"), NEUTRAL)
        for name in ("receiver_of_failure", "receiver_of_failure_async")
    },
}


NO_FAULTS: Final = {
    "iterator": {"StopIteration"},
}
"""What says in these places that there is no more."""


IN_VIEWS: Final = (
    "tool_async",
    "tool_in_thread",
    "tool_after_progress",
    "serializer",
    "answer_data",
)
"""What is done the Django way in, which runs the same application for all."""


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    """Name binding, version and event loop: the newest version of each era."""
    chosen: Way = request.param
    if chosen.binding in VIEWS:
        request.getfixturevalue("settings").ROOT_URLCONF = straying.__name__
    return chosen


@pytest.fixture(autouse=True)
def nowhere() -> Iterator[None]:
    """Raise nothing in the end."""
    yield
    now.place = ""


RECEIVERS: Final[Mapping[str, tuple[Signal, Callable[..., Any]]]] = {
    "receiver": (request_handled, straying.hear),
    "receiver_async": (request_handled, straying.hear_async),
    "receiver_of_failure": (got_request_exception, straying.hear_failure),
    "receiver_of_failure_async": (got_request_exception, straying.hear_failure_async),
}


@pytest.fixture
async def receivers(place: str) -> AsyncIterator[None]:
    """Connect the receivers of a place."""
    if place not in RECEIVERS:
        yield
        return
    signal, receiver = RECEIVERS[place]
    signal.connect(receiver)
    yield
    await all_told()
    signal.disconnect(receiver)


async def fill_in(params: Any) -> types.ElicitResult:
    """Fill a form in."""
    return types.ElicitResult(action="accept", content={"name": "Ann"})


def takes_all(way: Way) -> bool:
    """Tell whether everything is raised everywhere, which is slow, on this way."""
    return way.binding == "memory" and way.loop == "asyncio"


TABLE: Final = [
    pytest.param(way, place, id=f"{way}-{place}")
    for turn, way in enumerate(_WAYS)
    for index, place in enumerate(PLACES)
    if takes_all(way)
    or (place in IN_VIEWS if way.binding in VIEWS else (index + turn) % 3 == 0)
]


@pytest.mark.parametrize(("way", "place"), TABLE, indirect=["way"])
async def test_whatever_is_raised_becomes_an_answer(
    connect: Connect,
    place: str,
    way: Way,
    receivers: None,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: each has its answer, and the connection goes on."""
    where, ask, told = PLACES[place]
    if where.startswith("language"):
        settings.MCP = {**settings.MCP, "LANGUAGE": getattr(straying, where)}
    async with connect(server=server, answers=Answers(elicit=fill_in)) as client:
        for kind in kinds_to_raise(way, place):
            begin_anew(caplog)
            now.place, now.kind = where, kind
            assert await ask(client) == told, kind
            now.place = ""
            if told == NEUTRAL:
                assert_logged(caplog, kind, failures=2 if "receiver" in where else 1)
        assert await client.call_for_text("tool_async") == "fine"


def kinds_to_raise(way: Way, place: str) -> list[str]:
    """Give all classes, or a place's share of them."""
    kinds = [kind for kind in STRAYS if kind not in NO_FAULTS.get(place, set())]
    if takes_all(way):
        return kinds
    turn = _WAYS.index(way) + list(PLACES).index(place)
    return [kinds[turn % len(kinds)]]


@pytest.mark.parametrize("way", _WAYS, indirect=True, ids=str)
async def test_cancelled_handler_may_raise_whatever(connect: Connect) -> None:
    """We promise it: its call ends, and the connection goes on."""
    now.place = "wait"
    async with connect(server=server) as client:
        for now.kind in STRAYS:
            straying.visits.append(visit := straying.Visit())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call, "wait")
                with anyio.fail_after(BOUND):
                    await visit.has_begun.wait()
                tasks.cancel_scope.cancel()
            with anyio.fail_after(BOUND):
                await visit.has_ended.wait()
            assert await client.call_for_text("tool_async") == "fine"


@pytest.mark.parametrize("way", _WAYS, indirect=True, ids=str)
@pytest.mark.parametrize("kind", STRAYS)
async def test_handler_may_raise_whatever_when_its_client_goes(
    connect: Connect, kind: str
) -> None:
    """We promise it: the connection ends, and nothing else."""
    now.place, now.kind = "wait", kind
    straying.visits.append(visit := straying.Visit())
    async with anyio.create_task_group() as tasks:
        async with connect(server=server) as client:
            tasks.start_soon(call_until_closed, client)
            with anyio.fail_after(BOUND):
                await visit.has_begun.wait()
        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()


async def call_until_closed(client: Client) -> None:
    """Call a tool that waits; the connection closes meanwhile."""
    assert (await error_of(client.call("wait"))).code == types.CONNECTION_CLOSED


def assert_logged(caplog: pytest.LogCaptureFixture, kind: str, failures: int) -> None:
    """Fail unless there is one record for each failure, with its traceback."""
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == failures, kind
    assert all(record.exc_info for record in errors), kind
