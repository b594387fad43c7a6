"""The end of the process: what servers do on a signal, and what must not stop it."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, Final

from mcp_django.bulkheads.fault_lines import fault_lines
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.threads import held_by_handlers
from mcp_django.conf import mcp_settings

logger = FaultLog("mcp_django.worker")

_CLOSING_SECONDS: Final = 1.0
"""For what is closed because its time is over."""

_ARRIVING_SECONDS: Final = 0.05
"""For requests of those that had connected before we listened no longer."""

_APPLICATIONS_SECONDS: Final = 0.25
"""For what applications do after their last words, such as middleware."""

_LEAVING_SECONDS: Final = 1.0
"""For the interpreter, which waits for threads that are not ours."""

_SAYING_SECONDS: Final = 1.0
"""For the last lines of the log, which a handler of the log may hold up, too."""

_closers: Final[dict[asyncio.AbstractEventLoop, _Closer]] = {}


_closing: Final[set[asyncio.Task[None]]] = set()


@dataclass(frozen=True, slots=True)
class _Closer:
    close: Callable[[], Awaitable[None]]
    say_what_is_left: Callable[[], None]


_last: Final[list[Callable[[], None]]] = []


class _Arrangement:
    """What was arranged for the end of this process, and how far that is.

    Attributes:
        is_made: Whether Twisted knows of us.
        hears_server: Whether we hear of the signals of another server.
        signalled_at: When the first signal came.
        is_ending: Whether Twisted has begun to shut down.
    """

    is_made: bool = False
    hears_server: bool = False
    signalled_at: float | None = None
    is_ending: bool = False


def arrange() -> None:
    """Ask to be called when Daphne begins to shut down, before it cancels anything.

    To be called before Daphne runs: Twisted calls in the order in which it was asked.
    Under another server nothing is arranged so early: `call_before_shutdown` does.
    """
    # Importing the reactor would install one.
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and not _Arrangement.is_made:
        _Arrangement.is_made = True
        reactor.addSystemEventTrigger("before", "shutdown", _begin)
        reactor.callWhenRunning(heed_signals)


def call_before_shutdown(
    close: Callable[[], Awaitable[None]], say_what_is_left: Callable[[], None]
) -> None:
    """Call a coroutine function when the server begins to shut down.

    Daphne waits for it. Other servers wait for their connections, which it ends.

    Args:
        close: Called at most once, in the event loop that runs now; what it returns is
            given the seconds that are left, and one more.
        say_what_is_left: Called, from a thread, if the event loop of Daphne is held up
            for so long that `close` is not called.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    closer = _Closer(close, say_what_is_left)
    if reactor is not None and getattr(reactor, "running", False):
        _closers[asyncio.get_running_loop()] = closer
        arrange()
    else:
        # A server that we do not know. It may say when it ends, or heed the signal.
        _closers[asyncio.get_running_loop()] = closer
        if callable(signal.getsignal(signal.SIGTERM)):
            _hear_signals_of_server()


async def close_before_end() -> None:
    """Close what no signal has closed, and wait for that.

    For servers that tell when they end, and wait: hypercorn's processes hear of no
    signal, and others do not wait for what a signal began.
    """
    loop = asyncio.get_running_loop()
    closer = _closers.pop(loop, None)
    if closer is not None:
        await _close_in_time(closer.close())
    for closing in [one for one in _closing if one.get_loop() is loop]:
        await closing


def is_ending() -> bool:
    """Say whether this process was told to end, as far as that is known here."""
    return _Arrangement.is_ending or _Arrangement.signalled_at is not None


def seconds_left() -> float:
    """Give the seconds that running calls have: `SHUTDOWN_SECONDS` from the signal."""
    seconds = mcp_settings.SHUTDOWN_SECONDS
    if _Arrangement.signalled_at is None:
        return seconds
    return max(0.0, _Arrangement.signalled_at + seconds - time.monotonic())


def heed_signals() -> None:
    """See to it that the process ends, also if its event loop hears of no signal.

    To be called when others heed signals already. Twisted and asyncio note one, and do
    what is to be done in the event loop. A handler that blocks that, by a mistake,
    blocks the end as well.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Only there signals can be heeded.
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):
            signal.signal(number, partial(_note_signal, handler))


def _note_signal(
    handler: Callable[[int, FrameType | None], object],
    number: int,
    frame: FrameType | None,
) -> None:
    if _Arrangement.signalled_at is None:
        _Arrangement.signalled_at = time.monotonic()
        # Not by `threading`: what this interrupts may hold its locks.
        _thread.start_new_thread(_end_by_force, (_most_seconds(),))
        # What runs in C may let no other thread of Python's run, such as `re`.
        with contextlib.suppress(AttributeError, RuntimeError, ValueError):
            faulthandler.dump_traceback_later(
                _most_seconds() + 2 * _SAYING_SECONDS, exit=True
            )
    handler(number, frame)


def _hear_signals_of_server() -> None:
    """Hear of the signals that a server heeds, before it does."""
    is_main_thread = threading.current_thread() is threading.main_thread()
    if _Arrangement.hears_server or not is_main_thread:
        return
    _Arrangement.hears_server = True
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):
            signal.signal(number, partial(_close_and_pass_on, handler))


def _close_and_pass_on(
    handler: Callable[[int, FrameType | None], object],
    number: int,
    frame: FrameType | None,
) -> None:
    """Let the server hear of the first signal when all that is open has ended.

    Uvicorn would end while the last of it is closed, and then by the signal itself,
    so that nothing would run that is to come last.
    """
    if _Arrangement.signalled_at is None:
        _Arrangement.signalled_at = time.monotonic()
        pass_on: Callable[[], object] = partial(handler, number, None)
        for loop in list(_closers):
            with contextlib.suppress(RuntimeError):  # The loop has ended before.
                loop.call_soon_threadsafe(_begin_to_close, pass_on)
                return
    handler(number, frame)


def _begin_to_close(pass_on: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    closer = _closers.pop(loop)
    closing = loop.create_task(_close_in_time(closer.close()))
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
    closing.add_done_callback(lambda _: pass_on())


async def _close_in_time(closing: Awaitable[None]) -> None:
    """End what is open; the server then sees that its connections are gone."""
    try:
        async with asyncio.timeout(seconds_left() + _CLOSING_SECONDS):
            await closing
    except TimeoutError:
        logger.warning(
            "not all connections could be closed, which is left to the server"
        )
    except Exception:
        logger.exception("closing before the shutdown failed; see the error")
    await asyncio.to_thread(_call_last)


def _begin() -> Any:
    """Begin the end of the process; a Deferred, for which Twisted waits."""
    _Arrangement.is_ending = True
    closer = _closers.pop(asyncio.get_running_loop(), None)
    if closer is None:
        return None
    # Daphne runs, so that Twisted is there; other servers do not have to have it.
    from twisted.internet.defer import Deferred

    if _Arrangement.signalled_at is None:
        _thread.start_new_thread(_end_by_force, (_most_seconds(),))
    servers = list(_daphnes())
    _spare_applications(servers)
    return Deferred.fromFuture(asyncio.ensure_future(_close(closer.close(), servers)))


async def _close(closing: Awaitable[None], servers: list[Any]) -> None:
    try:
        async with asyncio.timeout(seconds_left() + _CLOSING_SECONDS):
            await closing
    except TimeoutError:
        # Tasks that take no cancellation for an answer; with them, interpreters crash.
        _end_after_shutdown()
    except Exception:
        logger.exception("closing before the shutdown failed; see the error")
    if held_by_handlers():
        # Interpreters freeze such threads, and may wait for them all the same.
        _end_after_shutdown()
    await _stop_listening()
    await _wait_for_applications(servers)
    for server in servers:
        # What Daphne was kept from until now.
        server.kill_all_applications()


async def _stop_listening() -> None:
    """Take those that have connected already, and no others; they are refused.

    Twisted would reset the connections of both, and a proxy could not tell whether
    their requests were carried out. What connects now finds that nothing listens, and
    goes to another process.
    """
    for port, _ in list(_ports()):
        port.doRead()
        port.stopListening()
    await asyncio.sleep(_ARRIVING_SECONDS)


def _end_after_shutdown() -> None:
    reactor: Any = sys.modules["twisted.internet.reactor"]
    reactor.addSystemEventTrigger("after", "shutdown", end_now)


async def _wait_for_applications(servers: list[Any]) -> None:
    """Let those end by themselves whose connections we have just closed."""
    applications = [
        details["application_instance"]
        for server in servers
        for details in server.connections.values()
        if "application_instance" in details
    ]
    if applications:
        await asyncio.wait(applications, timeout=_APPLICATIONS_SECONDS)


def _daphnes() -> Iterator[Any]:
    """Give the servers of Daphne that listen."""
    return (server for _, server in _ports())


def _ports() -> Iterator[tuple[Any, Any]]:
    """Give where Daphne listens, each with its server."""
    reactor, daphne = (
        sys.modules.get(name) for name in ("twisted.internet.reactor", "daphne.server")
    )
    if reactor is None or daphne is None:
        return
    for reader in reactor.getReaders():
        factory = getattr(reader, "factory", None)
        factory = getattr(factory, "wrappedFactory", factory)  # behind TLS
        server = getattr(factory, "server", None)
        if isinstance(server, daphne.Server):
            yield reader, server


def _spare_applications(servers: list[Any]) -> None:
    """Let Daphne, which is called right after us, find no application to cancel."""
    spared = [
        (details, details["application_instance"])
        for server in servers
        for details in server.connections.values()
        if "application_instance" in details
    ]
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    ended.set_result(None)
    for details, _ in spared:
        details["application_instance"] = ended

    def restore() -> None:
        for details, application in spared:
            details["application_instance"] = application

    loop.call_soon(restore)


def _most_seconds() -> float:
    return mcp_settings.SHUTDOWN_SECONDS + _CLOSING_SECONDS + _LEAVING_SECONDS


def _end_by_force(seconds: float) -> None:
    """End the process then, if it is still there: others may hold it up."""
    time.sleep(seconds)
    # In a thread, because what holds it up may be the log.
    last_words = threading.Thread(target=_say_what_holds_up, daemon=True)
    last_words.start()
    last_words.join(_SAYING_SECONDS)
    os._exit(0)


def _say_what_holds_up() -> None:
    if not _Arrangement.is_ending:
        for closer in list(_closers.values()):
            closer.say_what_is_left()
    threads = [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    if not _Arrangement.is_ending or not threads:
        threads = [f"its main thread, in {_place_of_main_thread()}"]
    logger.warning(
        "the end of the process is held up by %s; it ends", ", ".join(threads)
    )
    end_now()


def _place_of_main_thread() -> str:
    """Name the place in the site's code that we called, if that is where it is."""
    innermost = sys._current_frames()[threading.main_thread().ident or 0]
    place, frame = innermost, innermost.f_back
    while frame is not None and not _is_ours(place):
        if _is_ours(frame):
            break
        place, frame = frame, frame.f_back
    else:
        place = innermost
    code = place.f_code
    return f"{code.co_qualname} ({code.co_filename}, line {place.f_lineno})"


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("mcp_django.")


def call_at_end(function: Callable[[], None]) -> None:
    """Call a function when the process ends without what `atexit` calls.

    Args:
        function: Called at most once, in any thread; it bounds its time itself.
    """
    _last.append(function)


def _call_last() -> None:
    while _last:
        with contextlib.suppress(Exception):
            _last.pop()()


def end_now() -> None:
    """End the process at once, whatever runs."""
    _call_last()
    fault_lines.say_rest()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(0)
