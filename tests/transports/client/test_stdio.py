"""A server as a child process: how it is started, and what is carried."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.exceptions import ConnectFailed, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.transports.base import Sender
from mcp_django.transports.client.stdio import (
    MAX_STDERR_LINE,
    StdioClientTransport,
    TextLines,
    default_environment,
)
from tests.transports.programs import ECHO, count_descriptors, server, told
from tests.transports.witness import PATIENCE_SECONDS, Witness

PING = jsonrpc.request(1, "ping", None)
BIG = jsonrpc.result(1, {"text": "x" * 1024 * 1024})


@asynccontextmanager
async def started(transport: StdioClientTransport) -> AsyncIterator[TaskGroup]:
    """Run a transport, which has closed at the end."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            yield tasks
            await transport.close()


async def test_messages_travel_both_ways() -> None:
    """Spec: 2026-07-28 basic/transports/stdio: one message a line. Nobody is known
    as their sender."""
    transport = server(ECHO)
    witness = Witness(transport)
    async with started(transport):
        await transport.send(PING)
        assert await witness.until_messages(1) == [PING]
        assert witness.senders == [Sender(size=40, binding="stdio")]
        for _ in range(3):
            await transport.send(BIG)
        assert await witness.until_messages(4) == [PING, BIG, BIG, BIG]
    assert (witness.closed, witness.errors) == (1, [])
    assert transport.exit_status == 0


async def test_concurrent_messages_do_not_mix() -> None:
    """Spec: 2026-07-28 basic/transports/stdio: whole lines only."""
    transport = server(ECHO)
    witness = Witness(transport)
    sent = [
        jsonrpc.result(number, {"text": str(number) * 100_000}) for number in range(5)
    ]
    async with started(transport) as tasks:
        for message in sent:
            tasks.start_soon(transport.send, message)
        received = await witness.until_messages(len(sent))
        assert sorted(received, key=repr) == sorted(sent, key=repr)


# The start --------------------------------------------------------------------------


async def test_server_gets_a_minimal_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """We promise it: no secret of ours, and no shell function."""
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("TERM", "() { :; }")
    transport = server("tell(**os.environ)")
    witness = Witness(transport)
    async with started(transport):
        [message] = await witness.until_messages(1)
    environment = told(message)
    environment.pop("LC_CTYPE", None)  # Python's own doing
    assert environment == default_environment()
    assert environment["HOME"] == "/home/alice"
    assert environment["PATH"] == os.environ["PATH"]
    assert not environment.keys() & {"API_TOKEN", "TERM"}


async def test_variables_are_added_to_the_environment() -> None:
    """We promise it: what is named gets there, and wins."""
    transport = server("tell(**os.environ)", env={"API_TOKEN": "42", "HOME": "/srv"})
    witness = Witness(transport)
    async with started(transport):
        [message] = await witness.until_messages(1)
    environment = told(message)
    assert (environment["API_TOKEN"], environment["HOME"]) == ("42", "/srv")
    assert environment["PATH"] == os.environ["PATH"]


async def test_command_may_be_a_path_in_a_directory(tmp_path: Path) -> None:
    """We promise it: arguments arrive as they are, without a shell."""
    program = tmp_path / "server"
    program.write_text(
        '#!/bin/sh\necho "{\\"jsonrpc\\":\\"2.0\\",\\"method\\":\\"$1:$PWD\\"}"\n'
    )
    program.chmod(0o755)
    transport = StdioClientTransport(program, ["$HOME *"], cwd=tmp_path)
    witness = Witness(transport)
    async with started(transport):
        [message] = await witness.until_messages(1)
    assert message == jsonrpc.notification(f"$HOME *:{tmp_path}", None)


def make_unstartable(directory: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    (directory / "plain").write_text("#!/bin/sh\n")
    (directory / "shebang").write_text("#!/no/such/interpreter\n")
    (directory / "text").write_text("hello\n")
    for name in ("shebang", "text"):
        (directory / name).chmod(0o755)
    return {
        # what: (command, options)
        "no such program": ("no-such-program", {}),
        "no such path": ("./no-such-program", {"cwd": directory}),
        "not executable": ("plain", {"env": {"PATH": str(directory)}}),
        "no interpreter": ("shebang", {"env": {"PATH": str(directory)}}),
        "no program": ("text", {"env": {"PATH": str(directory)}}),
        "no directory": (sys.executable, {"cwd": directory / "missing"}),
        "a file as directory": (sys.executable, {"cwd": str(directory / "text")}),
        "a zero byte": ("a\0b", {}),
    }


UNSTARTABLE = {
    "no such program": "cannot start 'no-such-program': No such file or directory; "
    "install it, or pass its full path",
    "no such path": "cannot start './no-such-program': No such file or directory; "
    "install it, or pass its full path",
    "not executable": "cannot start 'plain': Permission denied; make it executable, "
    "or start its interpreter instead",
    "no interpreter": "cannot start 'shebang': No such file or directory; its first "
    "line names an interpreter that is not installed",
    "no program": "cannot start 'text': Exec format error; start its interpreter "
    "instead, with it as an argument",
    "no directory": "cannot start {python!r}: No such file or directory: "
    "'{directory}/missing'; pass another directory as cwd=",
    "a file as directory": "cannot start {python!r}: Not a directory: "
    "'{directory}/text'; pass another directory as cwd=",
    "a zero byte": "cannot start 'a\\x00b': embedded null byte",
}


@pytest.mark.parametrize(("what", "text"), UNSTARTABLE.items(), ids=UNSTARTABLE)
async def test_server_that_cannot_be_started_is_refused(
    tmp_path: Path, what: str, text: str
) -> None:
    """Contract of `start`: what failed, and what to do; nothing stays open."""
    command, options = make_unstartable(tmp_path)[what]
    transport = StdioClientTransport(
        command, stderr=lambda line: None, exit_seconds=0.1, **options
    )
    witness = Witness(transport)
    before = count_descriptors()
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ConnectFailed) as refusal:
            await transport.start(tasks)
    assert count_descriptors() == before
    assert str(refusal.value) == text.format(python=sys.executable, directory=tmp_path)
    with pytest.raises(TransportClosed, match="the server process was not started"):
        await transport.send(PING)
    await transport.close()
    assert (witness.closed, witness.errors, transport.exit_status) == (1, [], None)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "one string": (
        {"args": "--verbose"},
        "args must be a list of strings, one for each argument",
    ),
    "a number": (
        {"args": ["--port", 8000]},
        "args must be a list of strings, one for each argument",
    ),
    "a variable that is a number": (
        {"env": {"PORT": 8000}},
        "env must have strings only, as 'PORT' has not",
    ),
    "policy": (
        {"encoding_errors": "backslashreplace"},
        "encoding_errors must be one of ('strict', 'replace', 'ignore'), "
        "not 'backslashreplace'",
    ),
    "a pipe": (
        {"stderr": subprocess.PIPE},
        "stderr must not be PIPE; pass a function, to read it",
    ),
    "stdout": (
        {"stderr": subprocess.STDOUT},
        "stderr must not be STDOUT, which is for messages only",
    ),
}


@pytest.mark.parametrize(("options", "text"), WRONG.values(), ids=WRONG)
def test_wrong_argument_is_refused(options: dict[str, Any], text: str) -> None:
    """Our choice: as early as it can be known."""
    with pytest.raises(ValueError) as refusal:
        StdioClientTransport("server", **options)
    assert str(refusal.value) == text


def test_transport_can_be_made_before_the_event_loop_runs() -> None:
    """We promise it: programs that are not async make it, and a thread runs it."""
    transport = server(ECHO)
    witness_of: list[Witness] = []

    async def talk() -> None:
        witness_of.append(Witness(transport))
        async with started(transport):
            await transport.send(PING)
            await witness_of[0].until_messages(1)

    anyio.run(talk)
    assert witness_of[0].messages == [PING]


# Standard error ---------------------------------------------------------------------


async def test_standard_error_is_told_to_a_function() -> None:
    """We promise it: line by line to the very end, whatever is in them."""
    lines: list[str] = []
    transport = server(
        r"""
        os.write(2, b"one\n\ntw\xc3")
        os.write(2, b"\xb6\r\n\xff\n")
        os.write(2, b"x" * 100_000 + b"\n")
        tell()
        sys.stdin.read()
        os.write(2, b"y" * 300_000 + b"\nat the end")
        """,
        stderr=lines.append,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until_messages(1)
    assert lines == [
        *("one", "", "twö", "\ufffd"),
        *("x" * MAX_STDERR_LINE, "x" * (100_000 - MAX_STDERR_LINE)),
        *["y" * MAX_STDERR_LINE] * 4,
        "y" * (300_000 - 4 * MAX_STDERR_LINE),
        "at the end",
    ]
    assert (witness.errors, transport.exit_status) == ([], 0)


@given(
    st.lists(st.sampled_from(["a", "\n", "\r\n", "ö", "0123456789"])).map("".join),
    st.lists(st.integers(0, 60)),
)
def test_any_split_of_a_text_gives_the_same_lines(text: str, cuts: list[int]) -> None:
    """Our choice: how the bytes arrive means nothing."""
    data = text.encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    lines, at_once = TextLines(7), TextLines(7)
    pieces = [
        line
        for start, end in itertools.pairwise(edges)
        for line in lines.feed(data[start:end])
    ]
    assert [*pieces, *lines.end()] == [*at_once.feed(data), *at_once.end()]


async def test_function_that_raises_stops_nothing() -> None:
    """We promise it: it is told to `on_error`, and the next line comes."""
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        raise LookupError(line)

    transport = server(
        "print('one\\ntwo', file=sys.stderr, flush=True)\n" + ECHO, stderr=note
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until(lambda witness: len(witness.errors) == 2)
        await transport.send(PING)
        await witness.until_messages(1)
    assert lines == ["one", "two"]
    assert [repr(error) for error in witness.errors] == [
        "LookupError('one')",
        "LookupError('two')",
    ]


async def test_standard_error_goes_where_it_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """We promise it: to ours by default, to a file, or nowhere."""
    with (tmp_path / "log").open("w") as log:
        for number, stderr in enumerate([None, subprocess.DEVNULL, log, log.fileno()]):
            transport = server(
                f"print('line', {number}, file=sys.stderr)", stderr=stderr
            )
            witness = Witness(transport)
            async with started(transport):
                await witness.until_closed()
    assert capfd.readouterr().err == "line 0\n"
    assert (tmp_path / "log").read_text() == "line 2\nline 3\n"


# What the server writes -------------------------------------------------------------

NOTE = b'{"jsonrpc":"2.0","method":"a\xffb"}'
POLICIES: dict[str, tuple[str, list[str], list[str]]] = {
    # what: (encoding_errors, methods received, errors reported)
    "strict": (
        "strict",
        ["last"],
        ["no JSON text: invalid unicode code point at line 1 column 29"],
    ),
    "replace": ("replace", ["a\ufffdb", "last"], []),
    "ignore": ("ignore", ["ab", "last"], []),
}


@pytest.mark.parametrize(
    ("policy", "methods", "errors"), POLICIES.values(), ids=POLICIES
)
async def test_policy_decides_about_what_is_no_utf_8(
    policy: str, methods: list[str], errors: list[str]
) -> None:
    """We promise it: the line is reported, or read as well as it can be."""
    transport = server(
        f"""
        os.write(1, {NOTE!r} + b"\\n")
        os.write(1, b'{{"jsonrpc":"2.0","method":"last"}}\\n')
        sys.stdin.read()
        """,
        encoding_errors=policy,
    )
    witness = Witness(transport)
    async with started(transport):
        await witness.until(
            lambda witness: (
                len(witness.messages) == len(methods)
                and len(witness.errors) == len(errors)
            )
        )
    assert witness.messages == [jsonrpc.notification(name, None) for name in methods]
    assert [str(error) for error in witness.errors] == errors


GARBAGE: dict[str, tuple[str, str]] = {
    # what: (statement of the server, text of the error)
    "no JSON": (
        "print('Listening on stdio')",
        "no JSON text: expected value at line 1 column 1",
    ),
    "no message": ("print('17')", "a message is a JSON object, not a number"),
    "a batch": (
        """print('[{"jsonrpc":"2.0","method":"x"}]')""",
        "batches are not part of this protocol version; send one message",
    ),
    "an endless line": (
        "for _ in range(300): print('x' * 10_000, end='')\nprint()",
        "a line is longer than 100000 bytes",
    ),
}


@pytest.mark.parametrize(("statement", "text"), GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_reported_and_reading_goes_on(
    statement: str, text: str
) -> None:
    """Contract of clients: a server is not answered what it would not understand."""
    transport = server(statement + "\n" + ECHO, max_line_bytes=100_000)
    witness = Witness(transport)
    async with started(transport):
        await transport.send(PING)
        # Only our message comes back: there was no other.
        assert await witness.until_messages(1) == [PING]
    assert [str(error) for error in witness.errors] == [text]
    assert witness.messages == [PING]


async def test_server_that_does_not_read_is_waited_for() -> None:
    """Our choice: `send` waits, and nothing is piled up in memory."""
    transport = server("sys.stdin.readline(); tell()\n" + ECHO)
    witness = Witness(transport)
    async with started(transport) as tasks:
        for _ in range(3):
            tasks.start_soon(transport.send, BIG)
        await witness.until_messages(3)
    assert [type(message) for message in witness.messages[1:]] == [type(BIG)] * 2


async def test_sender_that_is_cancelled_does_not_cut_its_line() -> None:
    """We promise it: who gives up need not wait for a server that does not read, and
    the next line is not spoiled. What was not begun is not sent."""
    transport = server(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        tell(pid=os.getpid())
        signal.sigwait([signal.SIGUSR1])
        for line in sys.stdin: print(line, end='', flush=True)
        """
    )
    witness = Witness(transport)
    async with started(transport) as tasks:
        pid = told((await witness.until_messages(1))[0])["pid"]
        for message in (BIG, BIG, PING):
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_once_blocked, scope)
                await transport.send(message)
            assert scope.cancelled_caught
        tasks.start_soon(transport.send, PING)
        await anyio.wait_all_tasks_blocked()
        os.kill(pid, signal.SIGUSR1)
        assert (await witness.until_messages(3))[1:] == [BIG, PING]
        await transport.send(PING)
        assert (await witness.until_messages(4))[1:] == [BIG, PING, PING]


async def cancel_once_blocked(scope: anyio.CancelScope) -> None:
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


async def test_close_interrupts_who_waits_to_send() -> None:
    """Our choice: whatever waits for a transport ends with it."""
    transport = server("tell(); wait_for_ever()", exit_seconds=0.1)
    witness = Witness(transport)
    outcomes: list[str] = []

    async def send() -> None:
        with pytest.raises(TransportClosed) as refusal:
            await transport.send(BIG)
        outcomes.append(str(refusal.value))

    async with started(transport) as tasks:
        await witness.until_messages(1)
        for _ in range(3):
            tasks.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        assert outcomes == []
        await transport.close()
    assert outcomes == ["cannot send: the transport is closed"] * 3
    assert (witness.closed, witness.errors) == (1, [])


async def test_driver_may_close_while_it_takes_a_message() -> None:
    """Our choice: no task waits for one that waits for it."""
    transport = server(ECHO)
    witness = Witness(transport)
    take: Callable[..., Any] = transport.on_message

    async def take_and_close(*args: Any) -> None:
        await take(*args)
        await transport.close()

    transport.on_message = take_and_close
    async with started(transport):
        await transport.send(PING)
        await witness.until_closed()
    assert (witness.messages, witness.errors) == ([PING], [])
    assert transport.exit_status == 0
