"""Requests that take several rounds, because the server asks something first.

Spec: 2026-07-28 basic/patterns/mrtr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.methods import MAY_ASK, QUESTIONS

RETRY_MEMBERS: Final = frozenset({"inputResponses", "requestState"})
"""Params of a request that is sent again with answers, which the first one had not.

Spec: 2026-07-28 basic/patterns/mrtr, "Basic Workflow".
"""


@dataclass(frozen=True, slots=True)
class InputRequired:
    """A result that asks for something first.

    Attributes:
        requests: Key to method and params of each question.
        state: What the next round has to bring back; None if nothing.

    Spec: 2026-07-28 basic/patterns/mrtr, "InputRequiredResult".
    """

    requests: Mapping[str, tuple[str, JSONObject]]
    state: str | None


def read_result(method: str, result: JSONObject) -> JSONObject | InputRequired:
    """Tell a result from one that asks for something first.

    Raises:
        RemoteProtocolError: It is of a type that the method has not, or malformed.

    Spec: 2026-07-28 basic, "ResultType"; basic/patterns/mrtr.
    """
    kind = result.get("resultType")
    if kind is None or kind == "complete":
        return result
    if kind != "input_required" or method not in MAY_ASK:
        raise RemoteProtocolError(
            f"the server answered {method!r} with a result of type {kind!r:.100}"
        )
    asked, state = result.get("inputRequests"), result.get("requestState")
    if asked is None:
        asked = {}
    if not (isinstance(asked, dict) and isinstance(state, str | None)):
        raise RemoteProtocolError(
            f"the server answered {method!r} with inputRequests that are no object, "
            "or a requestState that is no text"
        )
    if not asked and state is None:
        raise RemoteProtocolError(
            f"the server answered {method!r} with input_required, but asks nothing"
        )
    requests = {key: _read_question(key, asked[key]) for key in asked}
    return InputRequired(requests, state)


def next_round(
    params: JSONObject, required: InputRequired, answers: Mapping[str, JSON]
) -> JSONObject:
    """Make the params of the request that brings the answers.

    Args:
        params: Of the first round.
        required: What the last round was answered with.
        answers: One for each question, under its key.

    Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements".
    """
    again = {**params}
    if required.requests:
        again["inputResponses"] = dict(answers)
    if required.state is not None:
        again["requestState"] = required.state
    return again


def _read_question(key: str, question: JSON) -> tuple[str, JSONObject]:
    match question:
        case {"method": str() as method} if method in QUESTIONS:
            params = question.get("params")
            if params is None or isinstance(params, dict):
                return method, params or {}
    raise RemoteProtocolError(
        f"the server asks under {key[:100]!r} what is none of {sorted(QUESTIONS)!r}, "
        "or has params that are no object"
    )
