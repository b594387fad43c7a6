"""What sees each request that is sent in this process, until its answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, Protocol, TypeAlias, TypeVar

from mcp_types.jsonrpc import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.protocol import versions

logger = FaultLog("mcp_django.client")

_P = ParamSpec("_P")
_T = TypeVar("_T")

Answer: TypeAlias = JSONRPCResponse | JSONRPCError

End: TypeAlias = Callable[[Answer | None, BaseException | None], object]
"""Is told the answer of a request, or else what was raised; called exactly once.

It runs in the task and context of what began, and must neither wait nor raise.
"""

EndSession: TypeAlias = Callable[[Exception | None], object]
"""Is told that a session has ended: as we wanted it (None), or why; called once."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Where requests go.

    Attributes:
        version: Protocol version that is spoken, or offered; "" if none is yet.
        binding: What carries them, as `Transport.binding` has it.
        url: Of the server; "" if it has none.
    """

    version: str
    binding: str
    url: str

    @property
    def has_sessions(self) -> bool:
        """Whether there is a session, after the handshake."""
        return self.version in versions.LEGACY or self.binding != "streamable-http"


class Observer(Protocol):
    """Sees requests on their way to servers, one by one.

    A call that is asked something in turn takes several requests, and so does one that
    is sent again in a new session.
    """

    def begin(self, request: JSONRPCRequest, far_end: FarEnd) -> End | None:
        """See that a request is about to be sent; give what wants to see its end.

        Called in the task of what waits for the answer. It may `add_meta`, and must
        neither wait nor raise.
        """

    def begin_session(self, far_end: FarEnd) -> EndSession | None:
        """See that a session has begun; give what wants to see its end."""


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


def add_meta(request: JSONRPCRequest, members: Mapping[str, str]) -> None:
    """Add members to the `_meta` of a request that is not sent yet."""
    params = dict(request.params or {})
    params["_meta"] = {**(params.get("_meta") or {}), **members}
    request.params = params


async def observed(
    request: JSONRPCRequest,
    far_end: FarEnd,
    answering: Coroutine[Any, Any, Answer],
) -> Answer:
    """Send a request, and tell all observers that it begins and how it ends.

    Args:
        request: What is sent; they may change its `_meta`.
        far_end: Where it goes.
        answering: Sends it, and waits for the answer; it has not begun.
    """
    ends = [_contained(each.begin, request, far_end) for each in tuple(observers)]
    answer: Answer | None = None
    failure: BaseException | None = None
    try:
        answer = await answering
    except BaseException as error:
        failure = error
        raise
    finally:
        # What began last is inside of the others.
        for end in reversed(ends):
            if end is not None:
                _contained(end, answer, failure)
    return answer


def begin_sessions(far_end: FarEnd) -> Sequence[EndSession]:
    """Tell all observers that a session has begun."""
    ends = [_contained(each.begin_session, far_end) for each in tuple(observers)]
    return [end for end in ends if end is not None]


def end_sessions(ends: Sequence[EndSession], why: Exception | None) -> None:
    """Tell that it has ended."""
    for end in ends:
        _contained(end, why)


def _contained(
    function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T | None:
    """Call what must not raise, and say in the log that it did.

    Raises:
        BaseException: What was raised, if it ends the task.
    """
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        if ends_task(error):
            raise
        logger.error(
            "an observer of requests failed; mend it, or take it out", exc_info=error
        )
        return None
