"""Where handlers run: tasks of an anyio task group, or of asyncio itself."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcp_django.bulkheads.steps import outermost
from mcp_django.bulkheads.task_contexts import own_context

_TASK_NAME: Final = "mcp_django"

Cancel: TypeAlias = Callable[[], object]

Start: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]
"""Runs a coroutine in a task that is held until it ends."""


class Tasks(ABC):
    """Starts tasks that end together."""

    __slots__ = ()

    @abstractmethod
    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        on_done: Callable[[], None] | None = None,
    ) -> Cancel:
        """Run a coroutine in a task of its own.

        Args:
            coroutine: What to run; it raises nothing but its cancellation.
            on_done: Called when the task is over, if given; also if it was cancelled
                before it began.

        Returns:
            What cancels the task; does nothing once it is over.
        """

    @property
    @abstractmethod
    def is_ending(self) -> bool:
        """Whether all tasks are being cancelled."""

    @abstractmethod
    async def end(self) -> None:
        """Cancel what runs and wait until it is over, if that is ours to do."""


class GroupTasks(Tasks):
    """Tasks of an anyio task group, on any event loop; its owner ends them."""

    __slots__ = ("_group",)

    def __init__(self, group: TaskGroup) -> None:
        self._group = group

    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        on_done: Callable[[], None] | None = None,
    ) -> Cancel:
        """Run a coroutine in a task of its own."""
        return self._group.start_soon(_run, coroutine, on_done).cancel

    @property
    def is_ending(self) -> bool:
        """Whether all tasks are being cancelled."""
        return (
            self._group.cancel_scope.cancel_called
            # Or the scope of an owner further out.
            or anyio.current_effective_deadline() == -math.inf
        )

    async def end(self) -> None:
        """Do nothing: the group's owner ends them."""


class LoopTasks(Tasks):
    """Tasks of asyncio itself, which cost a third of a task group's."""

    __slots__ = ("_is_ending", "_tasks")

    def __init__(self) -> None:
        # A set in all but type: an empty dict takes a third of the memory.
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._is_ending = False

    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        on_done: Callable[[], None] | None = None,
    ) -> Cancel:
        """Run a coroutine in a task of its own; not any more once all of them end."""
        if self._is_ending:
            coroutine.close()
            return lambda: None  # there is nothing to cancel
        loop = asyncio.get_running_loop()
        # On the hot path: asyncio makes up a name of each task that is given none.
        task = loop.create_task(
            outermost(coroutine), name=_TASK_NAME, context=own_context()
        )
        self._tasks[task] = None
        task.add_done_callback(partial(self._finish, on_done))
        return task.cancel

    @property
    def is_ending(self) -> bool:
        """Whether all tasks are being cancelled."""
        return self._is_ending

    async def end(self) -> None:
        """Cancel what runs, and wait until it is over."""
        self._is_ending = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _finish(
        self, on_done: Callable[[], None] | None, task: asyncio.Task[None]
    ) -> None:
        self._tasks.pop(task, None)
        if on_done is not None:
            on_done()


async def _run(
    coroutine: Coroutine[Any, Any, None], on_done: Callable[[], None] | None
) -> None:
    try:
        # It may have been cancelled before it began.
        await anyio.lowlevel.checkpoint_if_cancelled()
        await coroutine
    finally:
        coroutine.close()
        if on_done is not None:
            on_done()
