"""Calls a server as its driver does, without a session or a transport."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse

from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server import dispatch
from mcp_django.server.asking import questions_of
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.request_state import input_required
from mcp_django.server.requests import CloseStream, Request, SessionState
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender

LATEST = "2025-11-25"
MODERN = "2026-07-28"
EVERYTHING: JSONObject = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}
"""Every capability that a handler can make use of."""

KINDS = ["def", "async def"]
"""Of handlers, for `use`."""


class Notebook(SessionState):
    """A session that only notes what its client set."""

    def __init__(self, *, id: str = "session-1", log_level: str = "info") -> None:
        self.id = id
        self.log_level = log_level
        self.uris: set[str] = set()

    async def read_log_level(self) -> str:
        return self.log_level

    async def set_log_level(self, level: str) -> None:
        self.log_level = level

    async def subscribe(self, uri: str, request: Request) -> None:
        self.uris.add(uri)

    async def unsubscribe(self, uri: str) -> None:
        self.uris.discard(uri)


class Caller:
    """One client of a server, with all that a request says of it.

    Attributes:
        notified: Method and params of each notification sent to the client.
        asked: Method and params of each question, round by round.
        answers: What the client answers, by method, in this order; the last is
            repeated.
    """

    def __init__(
        self,
        server: Server,
        *,
        version: str = LATEST,
        capabilities: JSONObject | None = None,
        user: Any = None,
        headers: dict[str, str] | None = None,
        session: SessionState | None = None,
        answers: Mapping[str, Sequence[JSONObject | JSONRPCError]] | None = None,
        threads: ThreadPool = handler_threads,
        log_level: str | None = None,
        mirrors_headers: bool = False,
        close_stream: CloseStream | None = None,
    ) -> None:
        self.server = server
        self.version = version
        self.capabilities = EVERYTHING if capabilities is None else capabilities
        self.sender = Sender(user, headers or {})
        self.session = session
        self.threads = threads
        self.log_level = log_level
        self.mirrors_headers = mirrors_headers
        self.close_stream = close_stream
        self.notified: list[tuple[str, JSONObject]] = []
        self.asked: list[list[tuple[str, JSONObject]]] = []
        self.answers = {key: list(value) for key, value in (answers or {}).items()}

    def request(self, method: str, params: JSONObject | None = None) -> Request:
        """Make a request of this client."""
        return Request(
            id=7,
            method=method,
            params=params or {},
            peer=Peer(
                self.version,
                Implementation(name="client", version="1.0"),
                ClientCapabilities.model_validate(self.capabilities),
                self.log_level,
            ),
            sender=self.sender,
            notify=self._notify,
            find_session=None if self.session is None else self._find_session,
            threads=self.threads,
            mirrors_headers=self.mirrors_headers,
            close_stream=self.close_stream,
        )

    def _find_session(self) -> SessionState:
        assert self.session is not None
        return self.session

    async def call(self, method: str, params: JSONObject | None = None) -> JSONObject:
        """Give the result of a request, answering its questions meanwhile."""
        return await self.finish(self.request(method, params))

    async def finish(self, request: Request) -> JSONObject:
        """Run a request to its result, answering its questions meanwhile."""
        if request.era.asks_in_results:
            return await self._retry_until_complete(request)
        while True:
            try:
                return await dispatch.answer(self.server, request)
            except BaseException as error:
                questions = questions_of(error)
                if questions is None:
                    raise
            self.asked.append([(q.method, q.params) for q in questions])
            for question in questions:
                request.answers.learn(question, self._answer(question.method))
            request.answers.begin_run()

    async def send(self, request: Request) -> JSONObject:
        """Send a modern request once, and give what it is answered with.

        What asks comes as it would over the wire.
        """
        try:
            return await dispatch.answer(self.server, request)
        except BaseException as error:
            questions = questions_of(error)
            if questions is None:
                raise
        result = input_required(self.server, request, questions)
        written: JSONObject = json.loads(json.dumps(result))
        return written

    def retry(
        self, request: Request, asked: JSONObject, responses: object = None
    ) -> Request:
        """Make the request that brings the answers to what a request was asked."""
        params = {**request.params, "requestState": asked["requestState"]}
        if responses is not None:
            params["inputResponses"] = responses
        return self.request(request.method, params)

    async def _retry_until_complete(self, request: Request) -> JSONObject:
        while True:
            result = await self.send(request)
            if result.get("resultType") != "input_required":
                return result
            questions = result["inputRequests"]
            self.asked.append([(q["method"], q["params"]) for q in questions.values()])
            responses: JSONObject = {}
            for key, question in questions.items():
                answer = self._answer(question["method"])
                assert isinstance(answer, JSONRPCResponse), "no errors in this era"
                responses[key] = answer.result
            request = self.retry(request, result, responses)

    async def call_tool(self, name: str, **arguments: Any) -> JSONObject:
        """Give the result of a tool."""
        return await self.call("tools/call", {"name": name, "arguments": arguments})

    async def text_of(self, name: str, **arguments: Any) -> str:
        """Give the text of a tool's result, which is one text block."""
        [block] = (await self.call_tool(name, **arguments))["content"]
        text: str = block["text"]
        return text

    async def error_of(
        self, method: str, params: JSONObject | None = None
    ) -> ErrorAnswer:
        """Give the JSON-RPC error that a request is answered with."""
        try:
            result = await self.call(method, params)
        except ErrorAnswer as error:
            return error
        raise AssertionError(f"{method} was answered with {result!r}")

    async def names(self, method: str, member: str, key: str = "name") -> list[str]:
        """Give the names in a list."""
        return [entry[key] for entry in (await self.call(method))[member]]

    def _answer(self, method: str) -> JSONRPCResponse | JSONRPCError:
        answers = self.answers[method]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, JSONRPCError):
            return answer
        return jsonrpc.result("ask", answer)

    async def _notify(self, method: str, params: JSONObject) -> None:
        self.notified.append((method, params))


async def use(
    caller: Caller,
    kind: str,
    method: str,
    *args: Any,
    meta: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Use one method of the context in a tool, and give what it returned or raised."""
    outcome: list[Any] = []
    server = Server("shop", page_size=None)
    server.resources = caller.server.resources

    if kind == "def":

        @server.tool
        def tool(context: SyncContext) -> None:
            try:
                outcome.append(getattr(context, method)(*args, **kwargs))
            except Exception as error:
                outcome.append(error)

    else:

        @server.tool(name="tool")
        async def async_tool(context: Context) -> None:
            try:
                outcome.append(await getattr(context, method)(*args, **kwargs))
            except Exception as error:
                outcome.append(error)

    caller.server = server
    await caller.call("tools/call", {"name": "tool", "_meta": dict(meta or {})})
    [value] = outcome
    return value
