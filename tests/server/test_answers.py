"""What a run of a handler leaves open, and what the next one knows."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcp_django.exceptions import AskFailed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.answers import Answers, Given
from mcp_django.server.asking import Question, QuestionsAsked, questions_of
from tests.server.asked import question


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def keys(asked: QuestionsAsked) -> list[str]:
    return [question.key for question in asked.questions]


def answered(value: Any) -> Any:
    return jsonrpc.result("ask-1", {"number": value})


# def handlers -----------------------------------------------------------------------


def test_new_question_ends_the_run() -> None:
    """Our choice: the handler is run again with the answer."""
    answers = Answers()
    with pytest.raises(QuestionsAsked) as caught:
        answers.ask(question())
    assert keys(caught.value) == ["a"]


def test_next_run_knows_the_answer() -> None:
    """Our choice: the same question is asked once."""
    answers = Answers()
    answers.learn(question(), answered(3))
    answers.begin_run()
    assert answers.ask(question()) == 3
    assert answers.ask(question()) == 3, "also if a run comes by it twice"


def test_question_that_changed_is_asked_again() -> None:
    """Our choice: an answer belongs to what the user saw."""
    answers = Answers()
    answers.learn(question(text="Ship 1 book?"), answered(3))
    answers.begin_run()
    with pytest.raises(QuestionsAsked):
        answers.ask(question(text="Ship 2 books?"))


def test_answer_that_does_not_fit_is_asked_for_again() -> None:
    """Our choice: a client that checks nothing gets a second chance."""
    answers = Answers()
    answers.learn(question(), answered("many"))
    answers.begin_run()
    with pytest.raises(QuestionsAsked):
        answers.ask(question())
    answers.learn(question(), answered(4))
    answers.begin_run()
    assert answers.ask(question()) == 4


def test_error_of_the_client_reaches_the_handler() -> None:
    """Spec: 2025-11-25 client/sampling, "Error Handling": a client may refuse."""
    answers = Answers()
    answers.learn(question(), jsonrpc.error("ask-1", -1, "User rejected"))
    answers.begin_run()
    with pytest.raises(AskFailed) as caught:
        answers.ask(question())
    assert str(caught.value) == (
        "client refused 'elicitation/create': User rejected (-1)"
    )


def test_questions_are_named_by_their_order_unless_they_have_a_key() -> None:
    """Our choice: the same names in every run."""
    answers = Answers()
    for _ in range(2):
        answers.begin_run()
        names = [answers.name(key) for key in (None, "colour", None)]
        assert names == ["question-1", "colour", "question-3"]


def test_two_questions_with_one_key_are_a_mistake() -> None:
    """Our choice: each would take the other's answer, and the user be asked for
    ever."""
    answers = Answers()
    answers.learn(question(text="Ship?"), answered(1))
    answers.begin_run()
    answers.ask(question(text="Ship?"))
    with pytest.raises(ValueError, match="two questions have the key 'a'"):
        answers.ask(question(text="Pay?"))


def test_visits_to_urls_keep_their_id() -> None:
    """Our choice: what a page was told in one run is true in the next."""
    answers = Answers()
    first = answers.elicitation_id("question-1")
    answers.begin_run()
    assert answers.elicitation_id("question-1") == first
    assert answers.elicitation_id("question-2") != first


# Answers that a retried request brings along -----------------------------------------

A = question("a")
NUMBER: JSONObject = {"number": 3}
OLD: JSONObject = {"number": 1}

FOUND: dict[str, tuple[Given, int | None]] = {
    "in the first round": (Given(0, {}, None, {"a": NUMBER}), 3),
    "to what was asked": (Given(1, {}, {"a": A.digest}, {"a": NUMBER}), 3),
    "to something else of this key": (Given(1, {}, {"a": "x"}, {"a": NUMBER}), None),
    "to what was not asked": (Given(1, {}, {}, {"a": NUMBER}), None),
    "earlier": (Given(2, {"a": (A.digest, OLD)}, {}, {}), 1),
    "earlier, and now": (Given(2, {"a": (A.digest, OLD)}, {}, {"a": NUMBER}), 1),
    "earlier to something else": (Given(2, {"a": ("x", OLD)}, {}, {"a": NUMBER}), None),
    "earlier to something else, and now": (
        Given(2, {"a": ("x", OLD)}, {"a": A.digest}, {"a": NUMBER}),
        3,
    ),
    "earlier and unfit": (
        Given(2, {"a": (A.digest, {"number": "x"})}, {"a": A.digest}, {"a": NUMBER}),
        3,
    ),
    "unfit": (Given(1, {}, {"a": A.digest}, {"a": {"number": "x"}}), None),
    "no object": (Given(1, {}, {"a": A.digest}, {"a": 3}), None),
    "null": (Given(1, {}, {"a": A.digest}, {"a": None}), None),
    "to nothing here": (Given(1, {}, {"b": A.digest}, {"b": NUMBER}), None),
}


@pytest.mark.parametrize(("given", "number"), FOUND.values(), ids=FOUND)
def test_answer_that_was_brought_along_is_found(
    given: Given, number: int | None
) -> None:
    """Our choice: an answer counts for the very question that was asked, and the first
    one that fits stands."""
    assert Answers(given).find(A) == (None if number is None else (number,))


KEPT: dict[str, tuple[Given, list[Question[int]], Mapping[str, JSONObject]]] = {
    "what this run came by": (
        Given(1, {}, {"a": A.digest}, {"a": NUMBER}),
        [question("b")],
        {"a": NUMBER},
    ),
    "what came in the first round": (
        Given(0, {}, None, {"a": NUMBER, "c": NUMBER}),
        [question("b")],
        {"a": NUMBER},
    ),
    "what this run did not come by": (
        Given(2, {"c": ("x", OLD)}, {"d": "y"}, {"d": NUMBER, "e": NUMBER}),
        [question("b")],
        {"c": OLD, "d": NUMBER},
    ),
    "nothing to what is asked again": (
        Given(2, {"a": (A.digest, OLD)}, {}, {}),
        [question("a")],
        {},
    ),
    "nothing that is no answer": (
        Given(1, {}, {"c": "x", "d": "y"}, {"c": 7}),
        [question("b")],
        {},
    ),
}


@pytest.mark.parametrize(("given", "asked", "kept"), KEPT.values(), ids=KEPT)
def test_answers_are_kept_for_the_next_round(
    given: Given, asked: list[Question[int]], kept: Mapping[str, JSONObject]
) -> None:
    """Our choice: no user is asked twice, whatever way the handler takes."""
    answers = Answers(given)
    answers.begin_run()
    answers.find(A)
    found = {key: result for key, (_, result) in answers.to_keep(asked).items()}
    assert found == kept


def test_each_run_finds_the_answers_anew() -> None:
    """Our choice: what one run used says nothing of the next."""
    answers = Answers(Given(0, {}, None, {"a": NUMBER}))
    answers.find(A)
    answers.begin_run()
    assert answers.to_keep([]) == {}


# async def handlers -----------------------------------------------------------------


async def run(handler: Callable[[Answers], Any], answers: Answers) -> list[str]:
    """Run a handler that asks, and give the keys of what it left open."""
    answers.begin_run()
    try:
        await handler(answers)
    except BaseException as error:
        questions = questions_of(error)
        if questions is None:
            raise
        return sorted(question.key for question in questions)
    raise AssertionError("the handler asked nothing")


async def test_known_answer_is_given_at_once() -> None:
    """Our choice: the same as for `def` handlers."""
    answers = Answers()
    answers.learn(question(), answered(3))
    answers.begin_run()
    assert await answers.ask_together(question()) == 3


async def test_questions_of_a_task_group_go_out_in_one_round() -> None:
    """Our choice: the user is asked once for what can be asked at once."""

    async def handler(answers: Answers) -> None:
        async with anyio.create_task_group() as tasks:
            for key in "abc":
                tasks.start_soon(answers.ask_together, question(key))

    answers = Answers()
    assert await run(handler, answers) == ["a", "b", "c"]
    for key in "ab":
        answers.learn(question(key), answered(1))
    assert await run(handler, answers) == ["c"], "only what is open"


async def test_questions_reached_some_steps_later_go_out_in_the_same_round() -> None:
    """Our choice: tasks reach their questions one after the other."""

    async def later(answers: Answers, key: str) -> None:
        await anyio.lowlevel.checkpoint()
        await answers.ask_together(question(key))

    async def handler(answers: Answers) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers.ask_together, question("a"))
            tasks.start_soon(later, answers, "b")

    assert await run(handler, Answers()) == ["a", "b"]


async def test_failure_beside_a_question_is_a_failure() -> None:
    """Our choice: no user is asked in vain."""

    async def fail() -> None:
        raise LookupError("no such order")

    async def handler(answers: Answers) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers.ask_together, question())
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(fail)
            await anyio.sleep_forever()

    with pytest.raises(BaseExceptionGroup):
        await run(handler, Answers())


class TestOnAsyncio:
    """What asyncio alone has."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def test_questions_gathered_go_out_in_one_round(self) -> None:
        """Our choice: the same for `asyncio.gather`."""

        async def handler(answers: Answers) -> None:
            await asyncio.gather(*(answers.ask_together(question(k)) for k in "abc"))

        assert await run(handler, Answers()) == ["a", "b", "c"]

    async def test_questions_of_asyncio_task_groups_go_out_in_one_round(self) -> None:
        """Our choice: the same for `asyncio.TaskGroup`."""

        async def handler(answers: Answers) -> None:
            async with asyncio.TaskGroup() as tasks:
                for key in "abc":
                    tasks.create_task(answers.ask_together(question(key)))

        assert await run(handler, Answers()) == ["a", "b", "c"]
