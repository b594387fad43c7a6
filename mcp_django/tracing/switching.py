"""Beginning and ending traces in all workers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from asgiref.sync import async_to_sync

from mcp_django.auth.interface import owner_of
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.tracing.carriers import short_name
from mcp_django.tracing.kept import forget_trace, keep_trace
from mcp_django.tracing.plan import FILE, LOG, MAX_MINUTES, Trace
from mcp_django.tracing.traced import ASK
from mcp_django.worker.asking import Answers, ask_all

_UNKEPT: Final = "the cache does not take it: a worker that is started later has none"


@dataclass(frozen=True, slots=True)
class Begun:
    """A trace that has begun.

    Attributes:
        trace: What is traced, and its `id`.
        answers: What the workers say: each has `traces` with this one, its `file`, and
            a `problem` if nothing will be seen of it there.
    """

    trace: Trace
    answers: Answers


async def atrace(
    *,
    user: Any = None,
    session: str | None = None,
    everything: bool = False,
    minutes: float = 5.0,
    to_file: bool = False,
) -> Begun:
    """Write down what is said, masked, in all workers; say whose, exactly one of them.

    Workers that are started meanwhile do so, too. It ends by itself.

    Args:
        user: Whose messages.
        session: The session: its id as a client has it, or its short name.
        everything: Whether all messages, also of clients that were refused.
        minutes: For how long; an hour at most.
        to_file: Whether to write to files in `MCP["TRACE_DIR"]`, one for each worker;
            else to the logger `mcp_django.tracing`, at level INFO.

    Raises:
        ValueError: It is none of these, or several, or too long.
    """
    trace = make_trace(user, session, everything, minutes, to=FILE if to_file else LOG)
    return Begun(trace, await begin(trace))


def trace(
    *,
    user: Any = None,
    session: str | None = None,
    everything: bool = False,
    minutes: float = 5.0,
    to_file: bool = False,
) -> Begun:
    """Write down what is said; as `atrace`, for code that is not async."""
    return async_to_sync(atrace)(
        user=user,
        session=session,
        everything=everything,
        minutes=minutes,
        to_file=to_file,
    )


async def astop(id: str | None = None) -> Answers:
    """End a trace in all workers, or all traces.

    Args:
        id: Of the trace; None for all.

    Returns:
        Of each worker the `traces` that it ended, with how much they wrote.
    """
    problem = ""
    try:
        await forget_trace(id)
    except ServiceAway:
        problem = "the cache does not answer: a worker that is started later goes on"
    return _and(await ask_all({"ask": ASK, "end": id}), problem)


def stop(id: str | None = None) -> Answers:
    """End a trace, or all; as `astop`, for code that is not async."""
    return async_to_sync(astop)(id)


async def atraces() -> Answers:
    """Ask every worker which `traces` run there."""
    return await ask_all({"ask": ASK})


def traces() -> Answers:
    """Ask which traces run; as `atraces`, for code that is not async."""
    return async_to_sync(atraces)()


def make_trace(
    user: Any, session: str | None, everything: bool, minutes: float, *, to: str
) -> Trace:
    """Make a trace that has not begun; arguments as of `atrace`.

    Raises:
        ValueError: They say nothing clear.
    """
    if sum([user is not None, session is not None, everything]) != 1:
        raise ValueError("trace() needs one of user=, session=, everything=True")
    if not 0 < minutes <= MAX_MINUTES:
        raise ValueError(
            f"minutes= must be more than 0, and {MAX_MINUTES:g} at most, not "
            f"{minutes!r:.200}"
        )
    if to == FILE and mcp_settings.TRACE_DIR is None:
        raise ValueError(
            "MCP['TRACE_DIR'] is not set: name a folder there that only the site's "
            "own processes can write to"
        )
    owner = None if user is None else owner_of(user)
    if owner == "":
        raise ValueError("user= must be saved; clients without a user share none")
    short = None if session is None else short_name(session)
    return Trace(time.time() + minutes * 60, owner, short, to)


async def begin(trace: Trace) -> Answers:
    """Begin a trace in all workers."""
    problem = ""
    try:
        await keep_trace(trace)
    except ServiceAway:
        problem = _UNKEPT
    return _and(await ask_all({"ask": ASK, "begin": trace.as_json()}), problem)


def _and(answers: Answers, problem: str) -> Answers:
    answers.problem = "; ".join(filter(None, [answers.problem, problem]))
    return answers
