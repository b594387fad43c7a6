"""The work that one message causes: whatever is in it, little beyond reading it.

Each goes to a session in both eras, as bytes, of four megabytes at most.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Literal

import anyio
import pytest
from anyio.abc import TaskGroup
from pydantic import BaseModel

from mcp_django import Context, Server
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from tests.patience import PATIENCE_SECONDS
from tests.work import Work, measured

SECONDS = 0.3
"""Three times what is promised, as some machines are slow."""

MEGABYTES = 60.0

CAPABILITIES: JSONObject = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {},
    "roots": {},
}
INITIALIZE: JSONObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": CAPABILITIES,
    "clientInfo": {"name": "client", "version": "1"},
}
META: JSONObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    "io.modelcontextprotocol/clientInfo": INITIALIZE["clientInfo"],
}

server = Server("shop")


class Order(BaseModel):
    title: str
    parts: list[Literal["a", "b"]] = []


@server.tool
async def add(a: int, b: int) -> int:
    return a + b


@server.tool
async def order(context: Context) -> str:
    answer = await context.elicit("What?", Order)
    return "ordered" if answer else "not ordered"


@server.tool
async def order_verbatim(context: Context) -> str:
    schema = {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^(a+)+$"},
            "mail": {"type": "string", "format": "email"},
            "page": {"type": "string", "format": "uri"},
            "day": {"type": "string", "format": "date"},
        },
    }
    await context.elicit("What?", schema)
    return "ordered"


@server.tool
async def sample(context: Context) -> str:
    await context.sample("Hello", max_tokens=10)
    return "sampled"


@server.tool
async def roots(context: Context) -> str:
    return str(len(await context.list_roots()))


@server.prompt
def greet(name: str) -> str:
    return f"Hello {name[:10]}"


@server.completion(greet, "name")
def names(value: str, arguments: dict[str, str]) -> list[str]:
    return [value[:3]]


def things(id: str) -> str:
    return id


def pages(path: str) -> str:
    return path


for number in range(10):
    server.resource(f"shop://things{number}/{{id}}", name=f"things_{number}")(things)
server.resource("file:///{+path}")(pages)


class Sink(Transport):
    """Notes what the server sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self._changed = anyio.Event()

    async def start(self, tasks: TaskGroup) -> None:
        pass

    async def send(self, message: Message) -> None:
        self.sent.append(jsonrpc.serialize(message))
        self._changed.set()

    async def close(self) -> None:
        pass

    async def post(self, body: JSONObject | bytes) -> None:
        """Take a message of the client's."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = jsonrpc.parse(data)
        assert not isinstance(message, list)
        await self.on_message(message, Sender())

    async def next(self) -> JSONObject:
        """Wait for what the server sends next."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not self.sent:
                self._changed = anyio.Event()
                await self._changed.wait()
        message: JSONObject = json.loads(self.sent.pop(0))
        return message

    async def initialize(self) -> None:
        """Open a session of the legacy era."""
        await self.post(_request("initialize", INITIALIZE))
        await self.next()
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})


def _request(method: str, params: JSONObject) -> JSONObject:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def _take(sink: Sink, body: JSONObject) -> tuple[Work, JSONObject]:
    """Give the work of a message beyond reading it, and what the server sends."""
    data = json.dumps(body).encode()
    began = time.process_time()
    jsonrpc.parse(data)
    reading = time.process_time() - began
    with measured() as work:
        await sink.post(data)
        answer = await sink.next()
    work.seconds -= reading
    return work, answer


LONG = "x" * 4_000_000
ENCODED = "a/b%41/" * 570_000


def members(value: Any, count: int = 120_000) -> JSONObject:
    return {f"a{number}": value for number in range(count)}


def referring(**reference: str) -> JSONObject:
    return {"ref": reference, "argument": {"name": "id", "value": ""}}


def completing(**changed: Any) -> JSONObject:
    reference = {"type": "ref/prompt", "name": "greet"}
    return {"ref": reference, "argument": {"name": "name", "value": "a"}, **changed}


REQUESTS: dict[str, tuple[str, JSONObject]] = {
    "a URI for templates": ("resources/read", {"uri": f"shop://things1/{LONG}"}),
    "an encoded URI": ("resources/read", {"uri": f"shop://things1/{ENCODED}"}),
    "a URI that is none": ("resources/read", {"uri": [1] * 1_000_000}),
    "a URI to subscribe to": ("resources/subscribe", {"uri": f"shop://{ENCODED}"}),
    "a URI to unsubscribe": ("resources/unsubscribe", {"uri": f"shop://{ENCODED}"}),
    "a URI to complete": (
        "completion/complete",
        referring(type="ref/resource", uri=f"shop://{ENCODED}"),
    ),
    "a prompt to complete": (
        "completion/complete",
        referring(type="ref/prompt", name=LONG),
    ),
    "an argument to complete": (
        "completion/complete",
        completing(argument={"name": LONG, "value": LONG[:9]}),
    ),
    "a value to complete": (
        "completion/complete",
        completing(argument={"name": "name", "value": LONG}),
    ),
    "other arguments": (
        "completion/complete",
        completing(context={"arguments": members("x")}),
    ),
    "wrong other arguments": (
        "completion/complete",
        completing(context={"arguments": members(1)}),
    ),
    "arguments of a prompt": (
        "prompts/get",
        {"name": "greet", "arguments": members("x")},
    ),
    "wrong arguments of a prompt": (
        "prompts/get",
        {"name": "greet", "arguments": members(1)},
    ),
    "an argument of a prompt": (
        "prompts/get",
        {"name": "greet", "arguments": {"name": LONG}},
    ),
    "a prompt": ("prompts/get", {"name": LONG}),
    "a tool": ("tools/call", {"name": LONG}),
    "a tool that is none": ("tools/call", {"name": [[]] * 300_000}),
    "arguments of a tool": ("tools/call", {"name": "add", "arguments": members(1)}),
    "arguments as text": (
        "tools/call",
        {"name": "add", "arguments": json.dumps(members(1, 100_000))},
    ),
    "arguments that are none": (
        "tools/call",
        {"name": "add", "arguments": [1] * 1_000_000},
    ),
    "a number of many digits": (
        "tools/call",
        {"name": "add", "arguments": {"a": "1" * 4_000_000, "b": 1}},
    ),
    "a level": ("logging/setLevel", {"level": LONG}),
    "a cursor": ("tools/list", {"cursor": LONG}),
    "a cursor that is none": ("tools/list", {"cursor": [[]] * 300_000}),
    "a method": (LONG, {}),
    "members that nobody knows": ("tools/list", members(1)),
    "metadata": (
        "tools/call",
        {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": members(1)},
    ),
    "a token for progress": (
        "tools/call",
        {"name": "add", "arguments": {"a": 1}, "_meta": {"progressToken": LONG}},
    ),
    "a state": ("tools/call", {"name": "order", "requestState": LONG}),
    "answers to nothing": (
        "tools/call",
        {"name": "add", "inputResponses": members({})},
    ),
    "answers that are none": (
        "tools/call",
        {"name": "add", "inputResponses": [1] * 1_000_000},
    ),
    "many URIs to listen to": (
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": list(members(1, 100_000))}},
    ),
    "long URIs to listen to": (
        "subscriptions/listen",
        {
            "notifications": {
                "resourceSubscriptions": [
                    f"file:///{number}/{ENCODED[:3900]}" for number in range(1000)
                ]
            }
        },
    ),
    "URIs to listen to that are none": (
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": [1] * 1_000_000}},
    ),
    "a version": ("initialize", {**INITIALIZE, "protocolVersion": LONG}),
    "capabilities": ("initialize", {**INITIALIZE, "capabilities": members(1)}),
    "wrong capabilities": (
        "initialize",
        {**INITIALIZE, "capabilities": {"experimental": members(1)}},
    ),
    "a client's name": (
        "initialize",
        {**INITIALIZE, "clientInfo": {"name": LONG, "version": "1"}},
    ),
    "a client's icons": (
        "initialize",
        {
            **INITIALIZE,
            "clientInfo": {
                "name": "a",
                "version": "1",
                "icons": [{"src": ""}] * 150_000,
            },
        },
    ),
    "a client's wrong icons": (
        "initialize",
        {
            **INITIALIZE,
            "clientInfo": {"name": "a", "version": "1", "icons": [{}] * 200_000},
        },
    ),
}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("method", "params"), REQUESTS.values(), ids=REQUESTS)
async def test_request_takes_little_work(
    method: str, params: JSONObject, era: str
) -> None:
    """Our choice: beyond reading it, a tenth of a second, and as much memory again."""
    sink = Sink()
    async with anyio.create_task_group() as tasks:
        Session(server, sink, tasks)
        if era == "modern":
            params = {**params, "_meta": {**params.get("_meta", {}), **META}}
        elif method != "initialize":
            await sink.initialize()
        work, answer = await _take(sink, _request(method, params))
        tasks.cancel_scope.cancel()
    assert answer["jsonrpc"] == "2.0"
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES


def accepted(content: JSONObject) -> JSONObject:
    return {"action": "accept", "content": content}


def root(number: int) -> JSONObject:
    return {"uri": f"file:///{number}"}


ANSWERS: dict[str, tuple[str, Callable[[], JSONObject]]] = {
    "a long text": ("order", lambda: accepted({"title": LONG})),
    "wrong choices": (
        "order",
        lambda: accepted({"title": "a", "parts": ["c"] * 500_000}),
    ),
    "other members": ("order", lambda: accepted({"title": "a", **members(1)})),
    "an action": ("order", lambda: {"action": LONG}),
    "members of the answer": ("order", lambda: {"action": "accept", **members(1)}),
    "a pattern": ("order_verbatim", lambda: accepted({"code": "a" * 60 + "!"})),
    "an address": ("order_verbatim", lambda: accepted({"mail": "a@" + "a." * 100_000})),
    "a page": ("order_verbatim", lambda: accepted({"page": "http://" + "é" * 100_000})),
    "a day": ("order_verbatim", lambda: accepted({"day": "2020-01-01" * 20_000})),
    "members of a form": ("order_verbatim", lambda: accepted(members(1))),
    "roots": ("roots", lambda: {"roots": [root(number) for number in range(100_000)]}),
    "wrong roots": ("roots", lambda: {"roots": [1] * 1_000_000}),
    "a model's texts": (
        "sample",
        lambda: {
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": ""}] * 100_000,
        },
    ),
    "a model's wrong texts": (
        "sample",
        lambda: {"role": "assistant", "model": "m", "content": [1] * 1_000_000},
    ),
    "what is no result": ("sample", lambda: members(1)),
}


@pytest.mark.parametrize(("tool", "answer"), ANSWERS.values(), ids=ANSWERS)
async def test_answer_to_a_question_takes_little_work(
    tool: str, answer: Callable[[], JSONObject]
) -> None:
    """Our choice: beyond reading it, a tenth of a second, and as much memory again."""
    sink = Sink()
    async with anyio.create_task_group() as tasks:
        Session(server, sink, tasks)
        await sink.initialize()
        await sink.post(_request("tools/call", {"name": tool}))
        question = await sink.next()
        body = {"jsonrpc": "2.0", "id": question["id"], "result": answer()}
        work, _ = await _take(sink, body)
        tasks.cancel_scope.cancel()
    assert work.seconds < SECONDS
    assert work.megabytes < MEGABYTES
