"""What a client answers when its server asks: by functions of whoever uses it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

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
from pydantic import TypeAdapter, ValidationError

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSONObject

logger = logging.getLogger("mcp_django.client")

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


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run a function that may block in a thread of anyio's."""
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True)


@dataclass
class Answers:
    """Answers the questions of a server.

    Attributes:
        on_elicit: Fills in a form, or sends the user to a URL; None if nobody can.
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
            ErrorAnswer: It cannot be answered; says what to tell the server.
        """
        try:
            result = await self._answer(method, params)
        except ValidationError as error:
            raise ErrorAnswer(INVALID_PARAMS, describe_faults(error)) from None
        except ErrorAnswer:
            raise
        except Exception:
            logger.exception("the function that answers %r failed", method)
            raise ErrorAnswer(INTERNAL_ERROR, "Internal error") from None
        answer: JSONObject = result.model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        return answer

    async def _answer(self, method: str, params: JSONObject) -> Any:
        match method:
            case "elicitation/create" if self.on_elicit is not None:
                form = _ELICIT.validate_python(params)
                return await self.call(self.on_elicit, form)
            case "sampling/createMessage" if self.on_sample is not None:
                sampling = CreateMessageRequestParams.model_validate(params)
                return await self.call(self.on_sample, sampling)
            case "roots/list" if self.roots is not None:
                return ListRootsResult(roots=list(self.roots))
            case _:
                raise ErrorAnswer(
                    INVALID_PARAMS, f"this client declared that it has no {method}"
                )

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of whoever uses the client, `def` or `async def`."""
        if is_async(function):
            return await function(*arguments)
        result = await self.run_sync(lambda: function(*arguments))
        return await result if inspect.isawaitable(result) else result


def is_async(function: Callable[..., Any]) -> bool:
    """Say whether calling a function only makes a coroutine."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
