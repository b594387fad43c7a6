"""What a client answers when its server asks: by functions of its program."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import anyio.to_thread
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitationCapability,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    FormElicitationCapability,
    ListRootsResult,
    Root,
    RootsCapability,
    SamplingCapability,
    UrlElicitationCapability,
)
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import BaseModel, TypeAdapter, ValidationError

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import Stray, ends_task
from mcp_django.client.reading import validate
from mcp_django.exceptions import ErrorAnswer, RemoteProtocolError
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject, stand_in

logger = FaultLog("mcp_django.client")

T = TypeVar("T")

OnElicit: TypeAlias = Callable[
    [ElicitRequestFormParams | ElicitRequestURLParams],
    ElicitResult | Awaitable[ElicitResult],
]
Sampled: TypeAlias = CreateMessageResult | CreateMessageResultWithTools
OnSample: TypeAlias = Callable[
    [CreateMessageRequestParams], Sampled | Awaitable[Sampled]
]
RunSync: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function that may block, and gives what it returns."""

_ELICIT: TypeAdapter[ElicitRequestFormParams | ElicitRequestURLParams] = TypeAdapter(
    ElicitRequestParams
)
_ELICITED: Final[tuple[type[BaseModel], ...]] = (ElicitResult,)
_SAMPLED: Final = (CreateMessageResult, CreateMessageResultWithTools)


class Interrupted(Exception):
    """A function was interrupted, and what waits in its thread is told of it."""


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run a function that may block in a thread of anyio's.

    Raises:
        Stray: It raised what is no error, and would end the task that waits.
    """
    return await anyio.to_thread.run_sync(
        partial(_run, function), abandon_on_cancel=True
    )


def _run(function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception:
        raise
    except BaseException as error:  # in a thread, into which nothing is thrown
        raise Stray.of(error) from error


@dataclass
class Answers:
    """Answers the questions of a server.

    Attributes:
        on_elicit: Fills in a form, or sends the user to a URL; None if no function can.
        on_sample: Asks a language model; None if there is none.
        roots: Folders that the server may work with; None to offer none.
        run_sync: Runs those of the functions that are no coroutine functions.
    """

    on_elicit: OnElicit | None = None
    on_sample: OnSample | None = None
    roots: Sequence[Root] | None = None
    run_sync: RunSync = run_in_thread

    @property
    def capabilities(self) -> ClientCapabilities:
        """What a client declares that answers so."""
        return ClientCapabilities(
            elicitation=None
            if self.on_elicit is None
            else ElicitationCapability(
                form=FormElicitationCapability(), url=UrlElicitationCapability()
            ),
            sampling=None if self.on_sample is None else SamplingCapability(),
            roots=None if self.roots is None else RootsCapability(list_changed=True),
        )

    async def answer(self, method: str, params: JSONObject) -> JSONObject:
        """Answer one question.

        Raises:
            ErrorAnswer: The function that answers failed, or says so; says what to tell
                the server.
            RemoteProtocolError: The server asks what it must not, or nonsense.
        """
        function: Callable[..., Any]
        question: object
        try:
            match method:
                case "elicitation/create" if self.on_elicit is not None:
                    question = validate(_ELICIT.validate_python, params)
                    function, kinds = self.on_elicit, _ELICITED
                case "sampling/createMessage" if self.on_sample is not None:
                    sample = CreateMessageRequestParams.model_validate
                    question = validate(sample, params)
                    function, kinds = self.on_sample, _SAMPLED
                case "roots/list" if self.roots is not None:
                    return _wire(ListRootsResult(roots=list(self.roots)))
                case _:
                    raise RemoteProtocolError(
                        f"this client declared that it has no {method[:100]}",
                        code=INVALID_PARAMS,
                    )
        except ValidationError as error:
            raise RemoteProtocolError(
                f"{method}: {describe_faults(error)}", code=INVALID_PARAMS
            ) from None
        return await self._answer_by(function, question, kinds)

    async def _answer_by(
        self,
        function: Callable[..., Any],
        question: object,
        kinds: tuple[type[BaseModel], ...],
    ) -> JSONObject:
        """Give what a function answers, if it is of one of the kinds."""
        try:
            result = await self.call(function, question)
            if not isinstance(result, kinds):
                names = " or ".join(kind.__name__ for kind in kinds)
                raise TypeError(f"it returned a {type(result).__name__}, no {names}")
            return _wire(result)
        except ErrorAnswer:
            raise
        except Interrupted as error:
            raise ErrorAnswer(INTERNAL_ERROR, "Internal error") from error
        except BaseException as error:
            if ends_task(error):
                raise
            logger.exception("%r failed, which answers the server; mend it", function)
            raise ErrorAnswer(INTERNAL_ERROR, "Internal error") from error

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the program, `def` or `async def`."""
        if is_async(function):
            return await function(*arguments)
        # In a list, because trio lets no thread return a coroutine.
        [result] = await self.run_sync(lambda: [function(*arguments)])
        return await result if inspect.isawaitable(result) else result


def _wire(model: BaseModel) -> JSONObject:
    return model.model_dump(
        mode="json", by_alias=True, exclude_none=True, fallback=stand_in
    )


def is_async(function: Callable[..., Any]) -> bool:
    """Say whether calling a function only makes a coroutine."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
