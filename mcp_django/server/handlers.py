"""Calling what a developer registered: `around`, threads, transactions."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import anyio.lowlevel
from django.utils import translation

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.deadlines import Late, within
from mcp_django.bulkheads.strays import stray_of
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import HandlerTooSlow
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.arguments.signatures import Signature, read_signature
from mcp_django.server.asking import (
    QuestionsAsked,
    deliberate_error_of,
    questions_of,
)
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.outcomes import FeatureName, Outcome, Run
from mcp_django.server.requests import Request
from mcp_django.server.results import series
from mcp_django.server.transactions import (
    Atomic,
    databases_of,
    read_atomic,
    run_in_transactions,
)

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Function = TypeVar("Function", bound=Callable[..., Any])
Around: TypeAlias = Callable[[Context], AbstractAsyncContextManager[None]]

_STOPPED: Final = (
    "the call took longer than %g seconds and was stopped; what it did until then may "
    "have taken effect"
)
_GOES_ON: Final = (
    "the call took longer than %g seconds, so that its answer is not waited for; it "
    "goes on, and what it does may still take effect: see what has changed before you "
    "try again"
)
_NOT_BEGUN: Final = (
    "no thread was free for the call for %g seconds, so that it was not begun; try "
    "again later"
)
"""What became of a handler that took too long."""


class Output(Protocol):
    """Makes the result of a request of what its handler returned."""

    def in_loop(
        self, request: Request, value: Any
    ) -> JSONObject | Awaitable[JSONObject]:
        """Write what an `async def` handler returned, without asking the database."""

    def in_thread(self, value: Any) -> JSONObject:
        """Write what a `def` handler returned, in its transactions."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A developer's function, and what it takes to call it.

    Attributes:
        signature: What it takes and gives.
        atomic: Whether it runs in a transaction, or on which databases; None to follow
            each database's `ATOMIC_REQUESTS`.
        feature: What it is the handler of; None if that differs, as for completions.
        timeout: Seconds that a run may take; None for those of the site.
    """

    signature: Signature
    atomic: bool | tuple[str, ...] | None
    feature: FeatureName | None = None
    timeout: float | None = None

    async def call(
        self,
        server: Server,
        request: Request,
        arguments: Mapping[str, Any],
        output: Output,
    ) -> JSONObject:
        """Run the function once, inside the server's `around` context managers.

        Args:
            server: Where it is registered.
            request: The request that it answers.
            arguments: Keyword arguments, checked already.
            output: Writes what the function returns; inside as well, so that lazy texts
                are translated into the language of the handler, and transactions are
                rolled back for what cannot be written.
        """
        try:
            # On the hot path: few sites have any.
            if server.arounds:
                return await self._call_inside(server, request, arguments, output)
            run = None
            signature = self.signature
            if not signature.is_async or signature.context_parameter is not None:
                run = self._new_run(request, arguments)
            running = self._run(server, request, arguments, output, run)
            try:
                seconds = self.timeout or mcp_settings.HANDLER_TIMEOUT
                return (await within(seconds, running, request))[1]
            except Late as late:
                raise self._too_slow(run, late.goes_on) from late.__cause__
        except BaseException as error:
            meant = _meant_by(error)
            if meant is error:
                raise
            raise meant from error

    async def _call_inside(
        self,
        server: Server,
        request: Request,
        arguments: Mapping[str, Any],
        output: Output,
    ) -> JSONObject:
        """Run the function inside the context managers, which see how it ends."""
        run = self._new_run(request, arguments)
        context = Context(server, request, run)
        async with AsyncExitStack() as stack:
            for around in server.arounds:
                await stack.enter_async_context(around(context))
                stack.push(run.note)
            try:
                running = self._run(server, request, arguments, output, run)
                try:
                    seconds = self.timeout or mcp_settings.HANDLER_TIMEOUT
                    value, result = await within(seconds, running, request)
                except Late as late:
                    raise self._too_slow(run, late.goes_on) from late.__cause__
            except BaseException as error:
                # What was raised is put into words only after all this.
                request.language = translation.get_language()
                meant = _meant_by(error)
                if meant is error:
                    raise
                raise meant from error
            run.outcome = Outcome("answered", value=value)
            return result
        # One of them caught what was raised. That is no answer to a question.
        if run.outcome is not None and isinstance(run.outcome.error, QuestionsAsked):
            raise run.outcome.error
        return await _written(output.in_loop(request, None))

    def _too_slow(self, run: Run | None, goes_on: bool) -> HandlerTooSlow:
        seconds = self.timeout or mcp_settings.HANDLER_TIMEOUT
        if run is not None:
            run.is_given_up = True
        stopped = _STOPPED
        if not self.signature.is_async:
            assert run is not None  # a thread has one
            goes_on, stopped = run.has_begun, _NOT_BEGUN
        text = _GOES_ON if goes_on else stopped
        return HandlerTooSlow(text % seconds, seconds=seconds, goes_on=goes_on)

    async def _run(
        self,
        server: Server,
        request: Request,
        arguments: Mapping[str, Any],
        output: Output,
        run: Run | None = None,
    ) -> tuple[Any, JSONObject]:
        """Run the function, and give what it returned, and that as a result."""
        signature = self.signature
        name = signature.context_parameter
        if signature.is_async:
            if name is not None:
                arguments = {**arguments, name: Context(server, request, run)}
            value = await signature.function(**arguments)
            kind = type(value)
            if kind in series.NEVER:  # on the hot path
                pass
            elif hasattr(kind, "__anext__"):  # such as of `QuerySet.aiterator`
                value = await series.read(request, value)
            elif hasattr(kind, "__next__"):
                value = series.bounded(request, value)
            written = output.in_loop(request, value)
            return value, written if isinstance(written, dict) else await written
        if name is not None:
            token = anyio.lowlevel.current_token()
            arguments = {**arguments, name: SyncContext(server, request, token, run)}
        function = partial(signature.function, **arguments)
        return await request.run_in_thread(
            partial(_run_in_thread, self, request, function, output, run)
        )

    def _new_run(self, request: Request, arguments: Mapping[str, Any]) -> Run:
        return Run(self.feature or request.feature, arguments)


async def _written(written: JSONObject | Awaitable[JSONObject]) -> JSONObject:
    return written if isinstance(written, dict) else await written


def make_handler(
    function: Callable[..., Any],
    *,
    name: str,
    feature: FeatureName | None = None,
    atomic: Atomic | None = None,
    timeout: float | None = None,
    input_schema: Mapping[str, Any] | None = None,
) -> Handler:
    """Read a function that is being registered.

    Args:
        function: The function.
        name: For messages.
        feature: As for `Handler`.
        atomic: As for `Server.tool`.
        timeout: As for `Server.tool`.
        input_schema: Verbatim JSON Schema of its arguments.

    Raises:
        ValueError: It cannot be a handler; says why and what to do.
    """
    signature = read_signature(function, name=name, input_schema=input_schema)
    databases = read_atomic(name, atomic)
    if databases and signature.is_async:
        raise ValueError(
            f"{name}: atomic={atomic!r} needs a def function, because Django's "
            "transactions are synchronous; this one is async def"
        )
    return Handler(signature, databases, feature, timeout)


def _meant_by(error: BaseException) -> BaseException:
    """Find what a handler meant by what it raised.

    It may have used a task group, as to ask several things.

    Returns:
        Of a group its questions, all together, or its error on purpose; a `Stray` for
        what would end more than the request; else the error itself.
    """
    if isinstance(error, BaseExceptionGroup):
        deliberate = deliberate_error_of(error)
        if deliberate is not None:
            return deliberate
        questions = questions_of(error)
        if questions is not None:
            return QuestionsAsked(questions)
    return stray_of(error) or error


def make_around(function: Callable[..., Any]) -> Around:
    """Make a context manager of an async generator function; others are taken as is.

    Raises:
        ValueError: It is a function that can give no async context manager.
    """
    if inspect.isasyncgenfunction(function):
        generator: Callable[[Context], AsyncIterator[None]] = function
        return asynccontextmanager(generator)
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise ValueError(
            f"around needs an async def function that yields once, or one that returns "
            f"an async context manager; {function.__qualname__} is neither"
        )
    if not callable(function):
        raise ValueError(
            f"around needs an async def function that yields once, not {function!r}"
        )
    return function


def _run_in_thread(
    handler: Handler,
    request: Request,
    function: Callable[[], Any],
    output: Output,
    run_of: Run | None,
) -> tuple[Any, JSONObject]:
    """Run a `def` function in its transactions, which end when its result is known."""
    if run_of is not None:
        run_of.has_begun = True

    def run() -> tuple[Any, JSONObject]:
        value = function()
        kind = type(value)
        if kind not in series.NEVER and hasattr(kind, "__next__"):
            value = series.bounded(request, value)
        return value, output.in_thread(value)

    aliases = databases_of(handler.atomic, handler.signature.function)
    return databases.watched(lambda: run_in_transactions(aliases, run))
