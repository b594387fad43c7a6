"""Rounds of questions in the modern era: the client carries them, sealed.

A request whose handler asks is answered with `input_required`. The client retries it
with its answers and with the state that it was given: which user asked what, when, what
was asked last and answered before. The state is signed, not secret, and can be used
again until it expires; what must happen once only, the handler has to see to. An answer
of an earlier round stands, whatever the client sends later.

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
from mcp_django.protocol.input_rounds import RETRY_MEMBERS
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.methods import MAY_ASK
from mcp_django.server.answers import Given
from mcp_django.server.asking import Question
from mcp_django.server.requests import Request
from mcp_django.signing import seal, unseal

if TYPE_CHECKING:
    from mcp_django.server.server import Server

_KIND: Final = "request-state"
_MEMBERS: Final = 6
_NOT_SALIENT: Final = RETRY_MEMBERS | {"_meta"}

MAX_STATE_CHARACTERS: Final = 512 * 1024
"""Longest state; it goes back and forth with each round, beside the answers to it."""


def input_required(
    server: Server, request: Request, questions: Sequence[Question[Any]]
) -> JSONObject:
    """Make the result that asks the client.

    Raises:
        RuntimeError: A handler asks that may not, for too many rounds, or for more
            than the client can be made to carry.
    """
    if request.method not in MAY_ASK:
        raise RuntimeError(
            f"{request.method} cannot ask the client in version {request.version}; "
            f"only {sorted(MAY_ASK)!r} can"
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
        dict(request.answers.to_keep(questions)),
        {question.key: question.digest for question in questions},
        dict(request.answers.unfit),
    ]
    sealed = seal(_KIND, state)
    if len(sealed) > MAX_STATE_CHARACTERS:
        raise RuntimeError(
            f"{request.method}: the answers to earlier questions take {len(sealed)} "
            f"characters, and the client can be made to carry {MAX_STATE_CHARACTERS}; "
            "ask for less, or in another call"
        )
    return {
        "resultType": "input_required",
        "inputRequests": {
            question.key: {"method": question.method, "params": question.params}
            for question in questions
        },
        "requestState": sealed,
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
        # The first round, as far as we know.
        request.take_answers(Given(0, {}, None, results))
        return
    origin, expires, rounds, answered, asked, unfit = _unseal(params["requestState"])
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
            {key: (digest, count) for key, (digest, count) in unfit.items()},
        )
    )


def _unseal(text: Any) -> list[Any]:
    try:
        if isinstance(text, str):
            state: list[Any] = unseal(_KIND, text)
            if len(state) == _MEMBERS:
                return state
    except ValueError:
        pass
    raise _refusal("it is not as this server made it")


def _refusal(reason: str) -> ErrorAnswer:
    return ErrorAnswer(INVALID_PARAMS, f"requestState is refused: {reason}")


def _origin_of(server: Server, request: Request) -> str:
    """Say in short whose request it is, and which."""
    salient = {
        key: _canonical(value)
        for key, value in request.params.items()
        # `arguments` may be left out where there are none.
        if key not in _NOT_SALIENT and value not in (None, {})
    }
    origin = json.dumps(
        [server.name, owner_of(request.sender.user), request.method, salient],
        sort_keys=True,
    )
    return hashlib.sha256(origin.encode()).hexdigest()


def _canonical(value: JSON) -> JSON:
    """Write equal numbers alike: to JSON, 42.0 is 42."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _canonical(item) for key, item in value.items()}
        case list():
            return [_canonical(item) for item in value]
        case _:
            return value
