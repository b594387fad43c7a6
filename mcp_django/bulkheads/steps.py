"""The outermost coroutine of a task, which no `GeneratorExit` closes by mistake.

What a task awaits may fail with one, such as a function in a thread. asyncio throws it
into the outermost coroutine, and Python takes that for the wish to close all of them:
none may await anything any more, as to answer, and what they return is lost. Here it
becomes a `Stray` that is raised where the task waits, like any other error.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, Final, Generic, TypeVar

from mcp_django.bulkheads.strays import Stray

T = TypeVar("T")

_NOTHING: Final = object()
"""Not None, for which a coroutine waits that lets others run."""


class Steps(Generic[T]):
    """Runs the rest of a coroutine that waits for something, in a task of the server's.

    It is awaited in the outermost coroutine of the task, again after `take` whenever a
    `GeneratorExit` is thrown in.

    It has no `close`, by which Python would close what it runs.

    Args:
        coroutine: What to run; has begun already.
        waits_for: What its first `send` gave, for the task to wait for.
    """

    __slots__ = ("_coroutine", "_is_over", "_task", "_thrown", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._task = asyncio.current_task()
        self._thrown: Stray | None = None
        self._is_over = False

    def take(self, error: GeneratorExit) -> None:
        """Take what was thrown in; then await again.

        Raises:
            GeneratorExit: The coroutine raised it itself, or the task is closed.
        """
        if self._is_over or _current_task() is not self._task:
            self._coroutine.close()
            raise error
        self._thrown = Stray.of(error)
        self._thrown.__cause__ = error

    def __await__(self) -> Generator[Any, Any, T]:
        """Give itself."""
        return self  # type: ignore[return-value]  # all of a generator that is needed

    def __iter__(self) -> Steps[T]:
        """Give itself."""
        return self

    def __next__(self) -> Any:
        """Go on."""
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        waits_for, self._waits_for = self._waits_for, _NOTHING
        if waits_for is not _NOTHING:
            return waits_for
        thrown, self._thrown = self._thrown, None
        try:
            if thrown is not None:
                return self._coroutine.throw(thrown)
            return self._coroutine.send(value)
        except GeneratorExit:
            self._is_over = True
            raise

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        try:
            return self._coroutine.throw(*error)
        except GeneratorExit:
            self._is_over = True
            raise


@types.coroutine
def rest_of(
    coroutine: Coroutine[Any, Any, T], waits_for: object
) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that has begun, from within another one.

    Args:
        coroutine: What to run.
        waits_for: What its first `send` gave.
    """
    result: T
    while True:
        try:
            yield waits_for
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            try:
                waits_for = coroutine.throw(error)
            except StopIteration as end:
                result = end.value
                return result
        else:
            result = yield from coroutine
            return result


def outermost(coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Give the coroutine for a task of asyncio's that runs nothing else."""
    return _Outermost(coroutine)


class _Outermost(Coroutine[Any, Any, T]):
    """What a task steps through itself, which costs a third of awaiting `Steps`.

    What the task throws in comes by `throw`, and what closes it calls `close`. All else
    that one may ask of a coroutine, such as where it is, that which it runs says.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        return self._coroutine.send(value)

    def throw(self, error: Any, *rest: Any) -> Any:
        """Go on with an error."""
        if isinstance(error, GeneratorExit):
            stray = Stray.of(error)
            stray.__cause__ = error
            error = stray
        return self._coroutine.throw(error, *rest)

    def close(self) -> None:
        """Close what it runs."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Run it within another coroutine, which is the outermost one then."""
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        """Give what asyncio, anyio and debuggers look at."""
        return getattr(self._coroutine, name)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # the event loop has ended
        return None
