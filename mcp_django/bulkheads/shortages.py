"""What is said of threads: what holds them, and that other work waits for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp_django.bulkheads.fair_threads import FairThreads, Held
from mcp_django.bulkheads.fault_log import FaultLog

_MAX_WAIT_SECONDS: Final = 3.0
_MAX_GROUPS: Final = 5

_SHORT: Final = (
    "there are not enough %s: %d waiting, the first for %.0f seconds; they are held by "
    "%s"
)


class Shortage:
    """Says that work waits long for a thread, and what holds the threads.

    One line when it begins, at most one a minute while it goes on, and one when it is
    over.

    Args:
        logger: Gets the lines.
        what: Names the threads, such as "threads for handlers".
        threads: The threads.
    """

    def __init__(self, logger: FaultLog, what: str, threads: FairThreads) -> None:
        self._logger = logger
        self._what = what
        self._threads = threads
        self._is_short = False

    def look(self) -> bool:
        """Look whether something waits too long; to be called every second or so.

        Returns:
            Whether to look again.
        """
        queue = self._threads.queue
        if queue is not None and queue.seconds >= _MAX_WAIT_SECONDS:
            self._is_short = True
            self._logger.error(
                _SHORT,
                self._what,
                queue.length,
                queue.seconds,
                summary_of(self._threads.held()),
                of=self._what,
                lasts=True,
                times=0,
            )
        elif self._is_short:
            self._is_short = False
            again = "there are enough %s again"
            self._logger.over(_SHORT, self._what, again, self._what)
        return queue is not None


def summary_of(held: Iterable[Held]) -> str:
    """Put into words what runs in threads, together what is alike."""
    groups: dict[tuple[str, str | None], list[Held]] = {}
    for one in held:
        groups.setdefault((one.what, one.owner), []).append(one)
    largest = sorted(groups.values(), key=len, reverse=True)
    shown = [_describe(group) for group in largest[:_MAX_GROUPS]]
    if rest := sum(map(len, largest[_MAX_GROUPS:])):
        shown.append(f"{rest} more")
    return ", ".join(shown) or "nothing"


def _describe(group: list[Held]) -> str:
    first = group[0]
    count = f"{len(group)} times " if len(group) > 1 else ""
    owner = "" if first.owner is None else f" of user {first.owner!r}"
    more = []
    if seconds := [one.seconds for one in group if one.seconds is not None]:
        more.append(f"for {max(seconds):.0f} seconds")
    if given_up := sum(one.is_given_up for one in group):
        more.append(f"{given_up} given up")
    return f"{count}{first.what}{owner}" + (f" ({', '.join(more)})" if more else "")
