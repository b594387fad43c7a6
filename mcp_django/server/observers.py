"""What sees each request that is handled in this process, from begin to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = FaultLog("mcp_django.server")

End: TypeAlias = Callable[[Outcome, float], object]
"""Is told how a request ended, and after how many seconds; called exactly once.

It must neither wait nor raise, and may run in another context than what began.
"""


class Observer(Protocol):
    """Sees requests that reach a feature, or the lack of one.

    What the protocol answers by itself, such as an unknown method, and what is refused
    at the door, such as a wrong token, is no request of a server yet: none sees it.
    """

    def begin(self, server: Server, request: Request) -> End | None:
        """See that a request begins; give what wants to see how it ends.

        Called in the event loop, in the context in which the handler runs: what is put
        into a context variable is seen by handlers, in threads too. It must neither
        wait nor raise.

        Args:
            server: Answers it.
            request: What is asked; its `feature` is known at the end only.
        """


observers: Final[list[Observer]] = []
"""All that observe; nothing is made for a request while it is empty."""


def observe(observer: Observer) -> None:
    """Let an observer see each request from now on; once, however often it is told."""
    if observer not in observers:
        observers.append(observer)


def ignore(observer: Observer) -> None:
    """Let it see no further ones; it still sees how those end that it saw begin."""
    if observer in observers:
        observers.remove(observer)


def contain(error: BaseException) -> None:
    """Say in the log that an observer failed.

    Raises:
        BaseException: What was raised, if it ends the task.
    """
    if ends_task(error):
        raise error
    logger.error(
        "an observer of requests failed; mend it, or take it out", exc_info=error
    )
