"""A server as a child process: how it ends, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import codecs
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from mcp_django.exceptions import ParseError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from tests.transports.client.test_stdio import BIG, PING, started
from tests.transports.programs import (
    ECHO,
    Lifeline,
    assert_reaped,
    count_descriptors,
    lifeline,
    server,
    told,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

SHORT_SECONDS = 0.1


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Check that a test leaves no file descriptor open."""
    before = count_descriptors()
    yield
    assert count_descriptors() == before


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Lifeline]:
    """Show whether processes live."""
    with lifeline(tmp_path) as line:
        yield line


async def first_pid(witness: Witness) -> int:
    """Wait for the first message, which tells a process id."""
    pid: int = told((await witness.until_messages(1))[0])["pid"]
    return pid


# We close ---------------------------------------------------------------------------


async def test_server_ends_when_its_input_ends(life: Lifeline) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Shutdown", steps 1 and 2. What it
    writes meanwhile, more than a pipe holds, is read and discarded."""
    transport = server(
        """
        alive = open(sys.argv[1], "w")
        tell(pid=os.getpid())
        sys.stdin.read()
        tell(text="x" * 1_000_000)
        sys.exit(7)
        """,
        life.path,
    )
    witness = Witness(transport)
    async with started(transport):
        pid = await first_pid(witness)
        assert transport.exit_status is None
        await transport.close()
        assert_reaped(pid)
        await life.until_cut()
        assert transport.exit_status == 7
        with pytest.raises(TransportClosed, match="the transport is closed"):
            await transport.send(PING)
    assert (len(witness.messages), witness.errors, witness.closed) == (1, [], 1)


STUBBORN: dict[str, tuple[str, int]] = {
    # what: (what it does before it waits for ever, exit status)
    "ignores the end of its input": ("pass", -signal.SIGTERM),
    "exits when it is told to": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))",
        5,
    ),
    "ignores SIGTERM": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        -signal.SIGKILL,
    ),
}


@pytest.mark.parametrize(("action", "status"), STUBBORN.values(), ids=STUBBORN)
async def test_server_that_goes_on_is_stopped(
    life: Lifeline, action: str, status: int
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Shutdown", steps 2 and 3."""
    transport = server(
        f"""
        alive = open(sys.argv[1], "w")
        {action}
        tell(pid=os.getpid())
        wait_for_ever()
        """,
        life.path,
        exit_seconds=SHORT_SECONDS,
    )
    witness = Witness(transport)
    async with started(transport):
        pid = await first_pid(witness)
    assert_reaped(pid)
    await life.until_cut()
    assert transport.exit_status == status
    assert (witness.errors, witness.closed) == ([], 1)


GRANDCHILDREN: dict[str, tuple[str, str, int | None]] = {
    # what: (of the grandchild, of the server, exit status)
    "the server goes first": ("pass", "sys.stdin.read()", 0),
    "the server goes first, the other ignores SIGTERM": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "sys.stdin.read()",
        0,
    ),
    "both stay": ("pass", "wait_for_ever()", -signal.SIGTERM),
    "both stay, the other ignores SIGTERM": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "wait_for_ever()",
        -signal.SIGTERM,
    ),
}


@pytest.mark.parametrize(
    ("of_grandchild", "of_server", "status"), GRANDCHILDREN.values(), ids=GRANDCHILDREN
)
async def test_what_the_server_started_is_stopped_too(
    life: Lifeline, of_grandchild: str, of_server: str, status: int | None
) -> None:
    """We promise it: signals go to the process group, and no process holds pipes."""
    transport = server(
        f"""
        if os.fork() == 0:
            alive = open(sys.argv[1], "w")
            {of_grandchild}
            tell(pid=os.getppid())
            wait_for_ever()
        {of_server}
        """,
        life.path,
        exit_seconds=SHORT_SECONDS,
        stderr=lambda line: None,
    )
    witness = Witness(transport)
    async with started(transport):
        pid = await first_pid(witness)
    assert_reaped(pid)
    await life.until_cut()
    assert transport.exit_status == status
    assert (witness.errors, witness.closed) == ([], 1)


async def test_all_calls_of_close_wait_until_it_has_closed() -> None:
    """We promise it: the program that closed can rely on it."""
    transport = server(ECHO)
    witness = Witness(transport)
    statuses: list[int | None] = []

    async def close() -> None:
        await transport.close()
        statuses.append(transport.exit_status)

    async with started(transport) as tasks:
        for _ in range(3):
            tasks.start_soon(close)
    await close()
    assert (statuses, witness.closed) == ([0] * 4, 1)


async def test_transport_that_was_not_started_can_be_closed() -> None:
    """Contract of `close`: in every state."""
    transport = server(ECHO)
    witness = Witness(transport)
    await transport.close()
    await transport.close()
    async with anyio.create_task_group() as tasks:
        with pytest.raises(TransportClosed, match="cannot start"):
            await transport.start(tasks)
    assert (witness.closed, transport.exit_status) == (1, None)


async def test_close_during_the_start_ends_the_server() -> None:
    """Our choice: `close` waits for it, so that it is not lost."""
    transport = server(ECHO)
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.start, tasks)
            await anyio.wait_all_tasks_blocked()
            await transport.close()
    assert (witness.messages, witness.errors, witness.closed) == ([], [], 1)


async def test_nothing_is_left_after_many_rounds() -> None:
    """We promise it: the fixture counts file descriptors, and here the children."""
    pids: list[int] = []
    for _ in range(20):
        transport = server("tell(pid=os.getpid())\n" + ECHO, stderr=lambda line: None)
        witness = Witness(transport)
        async with started(transport):
            pids.append(await first_pid(witness))
    for pid in pids:
        assert_reaped(pid)


# It ends ----------------------------------------------------------------------------

ENDS: dict[str, tuple[str, int, str]] = {
    # what: (last statement, exit status, how it is told)
    "well": ("pass", 0, "the server process ended with exit status 0"),
    "with a status": ("sys.exit(3)", 3, "the server process ended with exit status 3"),
    "by a signal": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        -signal.SIGKILL,
        "the server process was ended by SIGKILL",
    ),
    "by a signal without a name": (
        "os.kill(os.getpid(), 40)",
        -40,
        "the server process was ended by signal 40",
    ),
}


@pytest.mark.parametrize(("statement", "status", "text"), ENDS.values(), ids=ENDS)
async def test_server_that_ends_closes_the_transport(
    statement: str, status: int, text: str
) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Shutdown": the server may. That the
    reason is told is our promise."""
    transport = server(f"tell(pid=os.getpid())\n{statement}")
    witness = Witness(transport)
    told_before: list[int] = []
    note_close = transport.on_close

    def on_close() -> None:
        told_before.append(len(witness.errors))
        note_close()

    transport.on_close = on_close
    async with started(transport):
        pid = await first_pid(witness)
        await witness.until_closed()
        assert_reaped(pid)
        with pytest.raises(TransportClosed) as refusal:
            await transport.send(PING)
    assert str(refusal.value) == f"cannot send: {text}"
    assert [(type(error), str(error)) for error in witness.errors] == [
        (TransportClosed, text)
    ]
    assert (told_before, witness.closed) == ([1], 1)
    assert transport.exit_status == status


async def test_sender_learns_that_the_server_ended() -> None:
    """Our choice: it waits for the exit status, which says more than a broken pipe."""
    transport = server("sys.stdin.readline(); os._exit(3)")
    witness = Witness(transport)
    async with started(transport):
        with pytest.raises(TransportClosed) as refusal:
            for _ in range(10):
                await transport.send(BIG)
        await witness.until_closed()
    assert str(refusal.value) == (
        "cannot send: the server process ended with exit status 3"
    )
    assert len(witness.errors) == 1


async def test_last_messages_are_delivered_though_the_server_has_ended() -> None:
    """We promise it: also to a driver that is slow, and is not told before."""
    transport = server(
        "sys.stdin.readline()\nfor number in range(100): tell(number=number)"
    )
    witness = Witness(transport)
    take: Callable[[Message, Sender], Awaitable[None]] = transport.on_message

    async def take_slowly(message: Message, sender: Sender) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while transport.exit_status is None:
                await anyio.lowlevel.checkpoint()
        await take(message, sender)

    transport.on_message = take_slowly
    async with started(transport):
        await transport.send(PING)
        await witness.until_closed()
    assert [told(message)["number"] for message in witness.messages] == [*range(100)]
    assert [str(error) for error in witness.errors] == [
        "the server process ended with exit status 0"
    ]


async def test_last_message_needs_no_line_end() -> None:
    """Our choice: a server that writes its answer and ends may forget it."""
    text = codecs.BOM_UTF8 + jsonrpc.serialize(PING)
    transport = server(f"sys.stdout.buffer.write({text!r})")
    witness = Witness(transport)
    async with started(transport):
        await witness.until_closed()
    assert witness.messages == [PING]
    assert [str(error) for error in witness.errors] == [
        "the server process ended with exit status 0"
    ]


async def test_server_that_only_closes_its_output_is_stopped(life: Lifeline) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Shutdown": it should also exit."""
    transport = server(
        "alive = open(sys.argv[1], 'w'); os.close(1); wait_for_ever()",
        life.path,
        exit_seconds=SHORT_SECONDS,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until_closed()
    await life.until_cut()
    assert [str(error) for error in witness.errors] == [
        "the server process closed its pipes, and was stopped"
    ]


async def test_server_that_only_closes_its_input_is_stopped(life: Lifeline) -> None:
    """Our choice: it can be asked nothing any more."""
    transport = server(
        "alive = open(sys.argv[1], 'w'); os.close(0); tell(); wait_for_ever()",
        life.path,
        exit_seconds=SHORT_SECONDS,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until_messages(1)
        with pytest.raises(TransportClosed, match="the server process closed its pipe"):
            await transport.send(PING)
        await witness.until_closed()
    await life.until_cut()
    assert [str(error) for error in witness.errors] == [
        "the server process closed its pipes, and was stopped"
    ]


async def test_what_an_ended_server_left_is_stopped(life: Lifeline) -> None:
    """We promise it: the end of the server is the end of its process group."""
    transport = server(
        """
        if os.fork() == 0:
            alive = open(sys.argv[1], "w")
            tell(pid=os.getpid())
            wait_for_ever()
        sys.stdin.readline()
        sys.exit(4)
        """,
        life.path,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until_messages(1)
        await transport.send(PING)
        await witness.until_closed()
    await life.until_cut()
    assert [str(error) for error in witness.errors] == [
        "the server process ended with exit status 4"
    ]


async def test_daemon_that_holds_the_pipes_does_not_hold_the_transport(
    life: Lifeline,
) -> None:
    """Our choice: what left the group is left alone, and waited for no longer than
    the server. A task that was sending learns of the end."""
    transport = server(
        """
        if os.fork() == 0:
            os.setsid()
            alive = open(sys.argv[1], "w")
            tell(pid=os.getpid())
            wait_for_ever()
        sys.stdin.readline()
        """,
        life.path,
        stderr=lambda line: None,
    )
    witness = Witness(transport)
    async with started(transport):
        pid = await first_pid(witness)
        with pytest.raises(TransportClosed, match="ended with exit status 0"):
            for _ in range(10):
                await transport.send(BIG)
        await witness.until_closed()
    assert life.is_held()
    os.kill(pid, signal.SIGKILL)
    await life.until_cut()
    assert [str(error) for error in witness.errors] == [
        "the server process ended with exit status 0"
    ]


async def test_daemon_that_writes_for_ever_is_not_read_for_ever(
    life: Lifeline,
) -> None:
    """Our choice: no more than a pipe holds; then the pipe is closed under it."""
    transport = server(
        """
        if os.fork() == 0:
            os.setsid()
            alive = open(sys.argv[1], "w")
            while True: tell(text="x" * 1000)
        sys.stdin.readline()
        """,
        life.path,
        stderr=subprocess.DEVNULL,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until_messages(1)
        await transport.send(PING)
        await witness.until_closed()
    await life.until_cut()
    # Its last line may be cut short.
    *cut, error = witness.errors
    assert str(error) == "the server process ended with exit status 0"
    assert all(isinstance(error, ParseError) for error in cut)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
async def test_orphans_that_become_our_children_are_reaped() -> None:
    """We promise it: no zombies, also where we are the first process, as in a
    container."""
    pr_set_child_subreaper = 36
    libc = ctypes.CDLL(None)
    transport = server(
        "if os.fork() == 0: tell(pid=os.getpid()); wait_for_ever()\nsys.stdin.read()"
    )
    witness = Witness(transport)
    assert libc.prctl(pr_set_child_subreaper, 1) == 0
    try:
        async with started(transport):
            pid = await first_pid(witness)
    finally:
        libc.prctl(pr_set_child_subreaper, 0)
    assert_reaped(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of zombies")
async def test_zombies_of_others_are_not_waited_for() -> None:
    """Our choice: the first process of a container may be slow to reap, or never
    do."""
    transport = server(
        """
        if os.fork() == 0:
            zombie = os.fork()
            if zombie == 0:
                os._exit(0)
            os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
            os.setsid()
            tell(pid=os.getpid())
            wait_for_ever()
        sys.stdin.read()
        """,
        exit_seconds=2 * PATIENCE_SECONDS,
    )
    witness = Witness(transport)
    async with started(transport):
        pid = await first_pid(witness)
        with anyio.move_on_after(PATIENCE_SECONDS) as patience:
            await transport.close()  # shielded, so that only the clock tells
    os.kill(pid, signal.SIGKILL)
    assert not patience.cancel_called
    assert transport.exit_status == 0


# A task is cancelled ----------------------------------------------------------------


async def test_end_of_the_tasks_ends_the_server(life: Lifeline) -> None:
    """We promise it: nothing outlives the task group that it was started in, and it
    ends as well as by `close`."""
    transport = server(
        """
        alive = open(sys.argv[1], "w")
        tell(pid=os.getpid())
        sys.stdin.read()
        sys.exit(7)
        """,
        life.path,
    )
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            pid = await first_pid(witness)
            tasks.cancel_scope.cancel()
    assert_reaped(pid)
    await life.until_cut()
    assert (witness.errors, witness.closed) == ([], 1)
    assert transport.exit_status == 7


async def test_cancelled_close_still_ends_the_server() -> None:
    """Contract of `close`: shielded."""
    transport = server(
        "tell(pid=os.getpid()); wait_for_ever()", exit_seconds=SHORT_SECONDS
    )
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            pid = await first_pid(witness)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await transport.close()
            assert_reaped(pid)
    assert (witness.closed, transport.exit_status) == (1, -signal.SIGTERM)


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_start_leaves_nothing(tmp_path: Path, turns: int) -> None:
    """We promise it: at whatever moment. The server writes down that it ran."""
    transport = server(
        """
        with open(sys.argv[1] + "/" + str(os.getpid()), "w"): pass
        sys.stdin.read()
        """,
        str(tmp_path),
        stderr=lambda line: None,
    )
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.start, tasks)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    await transport.close()
    for name in os.listdir(tmp_path):
        assert_reaped(int(name))
    assert (witness.errors, witness.closed) == ([], 1)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("turns", range(12))
async def test_task_that_asyncio_cancels_leaves_nothing(turns: int) -> None:
    """We promise it: `asyncio.Task.cancel`, as of Django and asgiref, knows no
    shields."""
    transport = server("wait_for_ever()", exit_seconds=SHORT_SECONDS)
    witness = Witness(transport)

    async def talk() -> None:
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await transport.close()

    task = asyncio.ensure_future(talk())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(asyncio.CancelledError):
        await task
    await transport.close()
    assert (witness.errors, witness.closed) == ([], 1)


async def test_failure_of_our_own_kills_the_server(life: Lifeline) -> None:
    """Our choice: an `on_error` that raises ends the tasks, and what hangs on them."""

    def fail(reason: object) -> None:
        raise LookupError(reason)

    transport = server(
        """
        alive = open(sys.argv[1], "w")
        print("line", file=sys.stderr, flush=True)
        wait_for_ever()
        """,
        life.path,
        stderr=fail,
    )
    transport.on_error = fail
    with anyio.fail_after(PATIENCE_SECONDS):
        with pytest.raises(ExceptionGroup) as failure:
            async with anyio.create_task_group() as tasks:
                await transport.start(tasks)
    assert failure.group_contains(LookupError)
    await life.until_cut()
    assert transport.exit_status == -signal.SIGKILL
