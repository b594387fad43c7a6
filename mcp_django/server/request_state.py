"""Rounds of questions in the modern era: the client carries them, sealed.

A request whose handler asks is answered with `input_required`. The client retries it
with its answers and with the state that it was given: who asked what, when, what was
asked last and answered before. The state is signed, not secret, and can be used again
until it expires; what must happen once only, the handler has to see to.

Spec: 2026-07-28 basic/patterns/mrtr.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django.auth.interface import owner_of
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import modern
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.asking import Given, Question
from mcp_django.server.requests import Request
from mcp_django.signing import seal, unseal

if TYPE_CHECKING:
    from mcp_django.server.server import Server

_KIND: Final = "request-state"
_NOT_SALIENT: Final = frozenset({"_meta", "inputResponses", "requestState"})


def input_required(
    server: Server, request: Request, questions: Sequence[Question[Any]]
) -> JSONObject:
    """Make the result that asks the client.

    Raises:
        RuntimeError: A handler asks that may not, or for too many rounds.
    """
    if request.method not in modern.MAY_ASK:
        raise RuntimeError(
            f"{request.method} cannot ask the client in version {request.version}; "
            f"only {sorted(modern.MAY_ASK)!r} can"
        )
    rounds = request.answers.given.rounds + 1
    if rounds > mcp_settings.MAX_ASK_ROUNDS:
        raise RuntimeError(
            f"{request.method} asked more than MCP['MAX_ASK_ROUNDS'] = "
            f"{mcp_settings.MAX_ASK_ROUNDS} rounds of questions"
        )
    state = [
        _origin_of(server, request),
        int(time.time() + mcp_settings.ASK_TIMEOUT),
        rounds,
        dict(request.answers.used),
        {question.key: question.digest for question in questions},
    ]
    return {
        "resultType": "input_required",
        "inputRequests": {
            question.key: {"method": question.method, "params": question.params}
            for question in questions
        },
        "requestState": seal(_KIND, state),
    }


def restore(server: Server, request: Request) -> None:
    """Let the handler of a retried request find what the client answered.

    Raises:
        ErrorAnswer: The state or the answers are malformed, or the state was not
            made for this user and this request, or has expired.
    """
    params = request.params
    results = params.get("inputResponses")
    if results is None:
        results = {}
    if not isinstance(results, dict):
        raise ErrorAnswer(
            INVALID_PARAMS,
            "inputResponses must be an object of key and result for each question",
        )
    if params.get("requestState") is None:
        request.take_answers(Given(0, {}, None, results))
        return
    origin, expires, rounds, answered, asked = _unseal(params["requestState"])
    if origin != _origin_of(server, request):
        raise _refusal("it was made for another user or another request")
    if expires < time.time():
        raise _refusal("it has expired; send the request again without it")
    request.take_answers(
        Given(
            rounds,
            {key: (digest, result) for key, (digest, result) in answered.items()},
            asked,
            results,
        )
    )


def _unseal(text: Any) -> list[Any]:
    try:
        if isinstance(text, str):
            state: list[Any] = unseal(_KIND, text)
            return state
    except ValueError:
        pass
    raise _refusal("it is not as this server made it")


def _refusal(reason: str) -> ErrorAnswer:
    return ErrorAnswer(INVALID_PARAMS, f"requestState is refused: {reason}")


def _origin_of(server: Server, request: Request) -> str:
    """Say in short whose request it is, and which."""
    salient = {k: v for k, v in request.params.items() if k not in _NOT_SALIENT}
    origin = json.dumps(
        [server.name, owner_of(request.sender.user), request.method, salient],
        sort_keys=True,
    )
    return hashlib.sha256(origin.encode()).hexdigest()
