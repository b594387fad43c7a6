"""Asking the client: a handler that asks is run again from the top with the answers.

The first run ends at the question, with an exception that handlers do not catch:
transactions roll back, and no thread, lock or connection waits for a human. What drives
the request sends the questions, lets its `answers` learn what comes back, and runs the
handler again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from mcp_django.bulkheads.strays import Deliberate
from mcp_django.exceptions import AskRefused, ErrorAnswer, ToolError
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.django_errors import Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """Something to ask the client.

    Attributes:
        key: Names the question, in every run of the handler the same.
        method: Such as "elicitation/create".
        params: Its parameters.
        read: Makes of the client's result what the handler gets; raises `ValueError`
            if the result does not fit, and then the client is asked again. The text
            names what is wrong, but not what the user wrote.
        asker: The request that it is asked for, such as "tools/call 'ship'"; for logs.
        first_params: The parameters when it was asked first, if it is asked again.
    """

    key: str
    method: str
    params: JSONObject
    read: Callable[[JSONObject], T]
    asker: str = "a handler"
    first_params: JSONObject | None = None

    @property
    def asked(self) -> tuple[str, JSONObject]:
        """What the handler asks, however often the client has to be asked."""
        first = self.params if self.first_params is None else self.first_params
        return self.method, first

    @property
    def digest(self) -> str:
        """What is asked, shortened; tells whether an answer is to the same question."""
        asked = json.dumps(self.asked, sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    def again(self, fault: str) -> Question[T]:
        """Ask the same question again, and say what was wrong with the last answer."""
        if "message" not in self.params:
            return self
        told = f"The last answer does not fit: {fault}. Please answer again."
        message = f"{self.params['message']}\n\n{told}"
        return replace(
            self,
            params={**self.params, "message": message},
            first_params=self.params,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a user answered to an elicitation.

    Attributes:
        action: What the user did; Spec: 2025-11-25 client/elicitation, "Response
            Actions".
        data: The filled form when accepted: an instance of the model class asked
            with, or a dict for a verbatim schema. None otherwise.
    """

    action: Literal["accept", "decline", "cancel"]
    data: Any = None

    @property
    def accepted(self) -> bool:
        """Whether the user said yes."""
        return self.action == "accept"


class QuestionsAsked(Deliberate):
    """Ends a run of a handler at questions that only the client can answer.

    Not an `Exception`, so that a handler's `except Exception` does not catch it. It is
    no failure: the handler is run again with the answers.

    Attributes:
        questions: What is asked.
    """

    def __init__(self, questions: Sequence[Question[Any]]) -> None:
        super().__init__("the handler waits for the client's answers")
        self.questions = questions


def questions_of(error: BaseException) -> Sequence[Question[Any]] | None:
    """Find the questions that ended a run.

    Args:
        error: What the handler raised, a group of exceptions if it used task groups.

    Returns:
        The questions in the order they were asked, or None if `error` is, or
        contains, anything else.
    """
    if isinstance(error, QuestionsAsked):
        return error.questions
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: dict[str, Question[Any]] = {}
    for inner in error.exceptions:
        questions = questions_of(inner)
        if questions is None:
            return None
        found |= {question.key: question for question in questions}
    return list(found.values())


def deliberate_error_of(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """Find the error that a handler answers with, in a group of exceptions.

    Returns:
        The first one that is for the client or its model; None if there is none, or if
        the group contains a failure.
    """
    found: Exception | None = None
    for inner in group.exceptions:
        match inner:
            case QuestionsAsked():
                continue
            case ErrorAnswer() | ToolError() | AskRefused():
                error: Exception | None = inner
            case Exception() if Refusal.of(inner) is not None:
                error = inner
            case BaseExceptionGroup():
                error = deliberate_error_of(inner)
                if error is None and questions_of(inner) is None:
                    return None
            case _:
                return None
        found = found or error
    return found
