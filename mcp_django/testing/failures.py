"""Unexpected exceptions, for the test to see."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.core.signals import got_request_exception

from mcp_django.client.answers import Answers
from mcp_django.exceptions import ErrorAnswer
from mcp_django.server.server import Server
from mcp_django.testing.callers_thread import callers_thread


@dataclass(eq=False)
class Failures:
    """What raised unexpectedly at either end of a connection.

    The other end is told no more than that there was something.
    """

    errors: list[BaseException] = field(default_factory=list)

    @contextmanager
    def of_handlers(self) -> Iterator[None]:
        """Note what handlers raise whose tasks begin in this block."""
        token = _noting.set(self)
        got_request_exception.connect(self._note, sender=Server)
        try:
            yield
        finally:
            got_request_exception.disconnect(self._note, sender=Server)
            _noting.reset(token)

    def _note(self, **kwargs: object) -> None:
        # Other connections may be open at the same time.
        error = sys.exception()
        if error is not None and _noting.get(None) is self:
            self.errors.append(error)

    def of_callback(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function of the client's, so that what it raises is noted."""
        answers = Answers(run_sync=callers_thread.run)

        async def call(*arguments: Any) -> Any:
            try:
                return await answers.call(function, *arguments)
            except ErrorAnswer:
                raise  # on purpose: the server shall see it
            except Exception as error:
                self.errors.append(error)
                raise

        return call

    def raise_first(self) -> None:
        """Raise the first of them, if there is one."""
        for error in self.errors:
            if isinstance(error, Exception):
                raise error
            # It ends a program or a task, and that was meant for the handler's.
            raise RuntimeError(f"a handler ended with {error!r}") from error


_noting: ContextVar[Failures] = ContextVar("mcp_django_noting")
