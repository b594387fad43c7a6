"""The requests of the client of a bridge, carried out at the server."""

from __future__ import annotations

from typing import Any, Final

from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    URL_ELICITATION_REQUIRED,
)

from mcp_django.bridge.asking import SessionQuestions
from mcp_django.bridge.calls import Call, Calls, Report
from mcp_django.bridge.changes import SessionChanges, listen
from mcp_django.bridge.remote_server import RemoteServer
from mcp_django.bridge.results import (
    Results,
    client_meta_of,
    describe,
    offers,
    params_for_server,
    question_for_modern,
    server_info_of,
)
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.client.connection import OnProgress
from mcp_django.exceptions import (
    ErrorAnswer,
    ErrorReceived,
    MCPError,
    RemoteProtocolError,
)
from mcp_django.protocol import jsonrpc, methods, versions
from mcp_django.protocol.eras import ERAS
from mcp_django.protocol.events import RequestReceived
from mcp_django.protocol.input_rounds import InputRequired, next_round, read_result
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.log_levels import DEFAULT_LOG_LEVEL, LOG_LEVELS

_MAX_ROUNDS: Final = 100
"""Rounds of questions of one request; a server that asks more turns in circles."""


class Requests:
    """Carries out the requests of one client.

    Args:
        server: Where.
        questions: Asks the client's session.
        calls: Those of a modern client that are under way.
        send_queue: Where the client is told of progress and changes.
        tasks: Where it listens to changes.

    Attributes:
        changes: What the client's session hears of changes at a modern server.
        log_level: Least severe log messages that the session wants; None if it did not
            say.
    """

    def __init__(
        self,
        server: RemoteServer,
        questions: SessionQuestions,
        calls: Calls,
        send_queue: SendQueue,
        tasks: TaskGroup,
    ) -> None:
        self.changes = SessionChanges(server, send_queue, tasks)
        self.log_level: str | None = None
        self._server = server
        self._questions = questions
        self._calls = calls
        self._send_queue = send_queue
        self._results = Results()

    async def answer(self, request: RequestReceived) -> JSONObject:
        """Carry out a request, and give the result in the client's version.

        Raises:
            ErrorAnswer: Says what went wrong, with the codes of the client's era.
        """
        era = ERAS[request.peer.version]
        try:
            await self._server.connect(request.peer)
            return self._adapt(request, await self._carry_out(request))
        except (ErrorReceived, ErrorAnswer) as error:
            code = era.error_code(error.code)
            raise ErrorAnswer(code, error.message, error.data) from error
        except (MCPError, ValueError) as error:
            raise ErrorAnswer(INTERNAL_ERROR, str(error)) from error

    def _adapt(self, request: RequestReceived, result: JSONObject) -> JSONObject:
        version = request.peer.version
        if version in versions.MODERN:
            info = server_info_of(self._server.found)
            return self._results.for_modern(request.method, result, info)
        return self._results.for_legacy(request.method, request.params, result, version)

    async def _carry_out(self, request: RequestReceived) -> JSONObject:
        match request.method:
            case methods.DISCOVER:
                return describe(self._server.found, request.peer.version)
            case methods.LISTEN:
                params = request.params
                return await listen(self._server, request.id, params, self._send_queue)
            case "logging/setLevel":
                return await self._set_log_level(request)
            case "resources/subscribe" | "resources/unsubscribe":
                return await self._subscribe(request)
        if request.peer.version in versions.MODERN:
            if self._server.is_legacy:
                return await self._call(request)
            return await self._send(request, request.params)
        return await self._send_in_rounds(request)

    # Requests that are more than passed on --------------------------------------------

    async def _set_log_level(self, request: RequestReceived) -> JSONObject:
        level = request.params.get("level")
        if not isinstance(level, str) or level not in LOG_LEVELS:
            raise ErrorAnswer(
                INVALID_PARAMS, f"level must be one of {list(LOG_LEVELS)!r}"
            )
        if self._server.is_legacy:
            await self._server.set_log_level(level)
        self.log_level = level
        return {}

    async def _subscribe(self, request: RequestReceived) -> JSONObject:
        uri = request.params.get("uri")
        if not isinstance(uri, str):
            raise ErrorAnswer(INVALID_PARAMS, "uri must be the URI of a resource")
        watched: RemoteServer | SessionChanges = (
            self._server if self._server.is_legacy else self.changes
        )
        if request.method == "resources/subscribe":
            await watched.subscribe(uri)
        else:
            await watched.unsubscribe(uri)
        return {}

    # Requests that are passed on ------------------------------------------------------

    async def _send(
        self,
        request: RequestReceived,
        params: JSONObject,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        level = self.log_level or DEFAULT_LOG_LEVEL
        return await self._server.request(
            request.method,
            params_for_server(params, is_legacy=self._server.is_legacy),
            client_meta=client_meta_of(request.params, request.peer, level),
            on_progress=on_progress or self._reporter_of(request),
        )

    async def _send_in_rounds(self, request: RequestReceived) -> JSONObject:
        """Pass on a request of a session, which is asked by requests of its own.

        Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements".
        """
        params = request.params
        for _ in range(_MAX_ROUNDS):
            result = await self._send(request, params)
            answered = read_result(request.method, result)
            if not isinstance(answered, InputRequired):
                return answered
            answers = await self._questions.ask_all(answered.requests)
            params = next_round(request.params, answered, answers)
        raise RemoteProtocolError(
            f"the server asked something in each of {_MAX_ROUNDS} rounds of "
            f"{request.method!r}, and did not come to an end"
        )

    async def _call(self, request: RequestReceived) -> JSONObject:
        """Pass on a modern request to a session, which may ask in the middle of it."""
        if request.peer.log_level is not None:
            await self._server.lower_log_level(request.peer.log_level)
        if request.method not in methods.MAY_ASK:
            return await self._send(request, request.params)
        try:
            return await self._calls.answer(self._call_of(request))
        except ErrorReceived as error:
            if error.code == URL_ELICITATION_REQUIRED and offers(
                request.peer, "elicitation", {"mode": "url"}
            ):
                return _visits_of(error)
            raise

    def _call_of(self, request: RequestReceived) -> Call:
        """Begin a call, or find the one that a request brings answers to."""
        method, params = request.method, request.params
        report = self._reporter_of(request) or _report_nothing
        if params.get("requestState") is not None:
            call = self._calls.resume(method, params)
            call.report = report
            return call
        _check_visits(params)
        call = Call(method, params, request.peer, report)
        on_progress = None if report is _report_nothing else call.hear_progress

        async def send() -> JSONObject:
            return await self._send(request, params, on_progress)

        self._calls.begin(call, send)
        return call

    def _reporter_of(self, request: RequestReceived) -> Report | None:
        """Make what tells the client of progress; None if it does not want to know."""
        meta = request.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        if not isinstance(token, str | int):
            return None

        async def report(
            progress: float, total: float | None, message: str | None
        ) -> None:
            params: JSONObject = {"progressToken": token, "progress": progress}
            if total is not None:
                params["total"] = total
            # Spec: 2025-03-26 changelog: messages are new there.
            if (
                message is not None
                and request.peer.version in versions.PROGRESS_MESSAGES
            ):
                params["message"] = message
            await self._send_queue.send(
                jsonrpc.notification("notifications/progress", params)
            )

        return report


async def _report_nothing(
    progress: float, total: float | None, message: str | None
) -> None:
    pass


def _visits_of(error: ErrorReceived) -> JSONObject:
    """Ask for the visits to pages that a legacy server wants first.

    The request was not carried out: the client sends it again, as to a modern server.

    Raises:
        ErrorReceived: It does not say which.

    Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error".
    """
    visits = error.data.get("elicitations") if isinstance(error.data, dict) else None
    requests: dict[str, Any] = {}
    for visit in visits if isinstance(visits, list) else ():
        if isinstance(visit, dict):
            asked = question_for_modern("elicitation/create", {"mode": "url", **visit})
            requests[f"visit-{len(requests) + 1}"] = asked
    if not requests:
        raise error
    return {"resultType": "input_required", "inputRequests": requests}


def _check_visits(params: JSONObject) -> None:
    """Refuse a request whose user did not agree to the visits that it needs.

    Raises:
        ErrorAnswer: So it is.
    """
    answers = params.get("inputResponses")
    if not isinstance(answers, dict):
        return
    for answer in answers.values():
        if not (isinstance(answer, dict) and answer.get("action") == "accept"):
            raise ErrorAnswer(
                INTERNAL_ERROR, "the user did not agree to the visit that this needs"
            )
