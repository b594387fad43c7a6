"""Messages as lines over file descriptors."""

import codecs
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.jsonrpc import PARSE_ERROR, JSONRPCError

from mcp_django.exceptions import ParseError, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender
from mcp_django.transports.lines import LineDecoder
from mcp_django.transports.server.stdio import StdioServerTransport
from tests.transports.witness import PATIENCE_SECONDS, Witness

MAX_LINE_BYTES = 2 * 1024 * 1024
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
BIG = jsonrpc.result(1, {"text": "x" * 1024 * 1024})


def line_of(message: Message) -> bytes:
    return jsonrpc.serialize(message) + b"\n"


# Lines ------------------------------------------------------------------------------

LINES: dict[str, tuple[bytes, list[bytes]]] = {
    "nothing": (b"", []),
    "one line": (b"abc\n", [b"abc"]),
    "two lines": (b"abc\nd\n", [b"abc", b"d"]),
    "a line that has not ended": (b"abc\nd", [b"abc"]),
    "carriage returns": (b"abc\r\nd\r\n", [b"abc", b"d"]),
    "blank lines": (b"\n\r\n  \t\nabc\n\n", [b"abc"]),
    "blanks around": (b"  abc \n", [b"abc"]),
    "a carriage return within": (b"a\rb\n", [b"a\rb"]),
    "other line ends of Unicode": (
        "a\u2028b\u2029\nc\x85d\n".encode(),
        ["a\u2028b\u2029".encode(), "c\x85d".encode()],
    ),
    "a byte order mark alone": (codecs.BOM_UTF8 + b"\r\nabc\n", [b"abc"]),
    "the longest line": (b"0123456789\n", [b"0123456789"]),
}


@pytest.mark.parametrize(("data", "lines"), LINES.values(), ids=LINES)
def test_bytes_are_cut_into_lines(data: bytes, lines: list[bytes]) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio". That blank lines and carriage
    returns are forgiven is our choice."""
    assert LineDecoder(10).feed(data) == lines


@pytest.mark.parametrize(
    ("data", "lines"),
    {
        b"": [],
        b"abc\n": [],
        b"abc\nd": [b"d"],
        b"abc\n d\r": [b"d"],
        b"abc\n \r": [],
        b"0123456789a": [],
    }.items(),
)
def test_last_line_needs_no_end(data: bytes, lines: list[bytes]) -> None:
    """Our choice: programs that write one message and end forget the line feed."""
    decoder = LineDecoder(10)
    decoder.feed(data)
    assert decoder.finish() == lines
    assert decoder.finish() == []


def test_line_that_is_too_long_is_reported_once_and_skipped() -> None:
    """Our choice: a peer cannot fill the memory, and the next line is read."""
    decoder = LineDecoder(10)
    [error] = decoder.feed(b"0123456789a")
    assert isinstance(error, ParseError)
    assert error.message == "a line is longer than 10 bytes"
    assert decoder.feed(b"b" * 50) == []
    assert decoder.feed(b"c\nabc\n") == [b"abc"]


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b" ", b"0123456789"])).map(
        b"".join
    ),
    st.lists(st.integers(0, 60)),
)
def test_any_split_of_the_bytes_gives_the_same_lines(
    data: bytes, cuts: list[int]
) -> None:
    """Our choice: how the bytes arrive means nothing."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = LineDecoder(15)
    pieces = [
        line for a, b in itertools.pairwise(edges) for line in decoder.feed(data[a:b])
    ]
    whole = LineDecoder(15).feed(data)
    assert [str(line) for line in pieces] == [str(line) for line in whole]


# The transport ----------------------------------------------------------------------


class Peer:
    """The program at the other end: writes our input, reads our output."""

    def __init__(self, to_us: int, from_us: int) -> None:
        self._to_us = to_us
        self._from_us = from_us
        self._received = b""

    async def write(self, data: bytes) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            await anyio.to_thread.run_sync(os.write, self._to_us, data)

    def end(self) -> None:
        """Write nothing any more."""
        os.close(self._to_us)

    def leave(self) -> None:
        """Read nothing any more."""
        os.close(self._from_us)

    async def read_line(self) -> bytes:
        with anyio.fail_after(PATIENCE_SECONDS):
            while b"\n" not in self._received:
                await anyio.wait_readable(self._from_us)
                self._received += os.read(self._from_us, 65536)
        line, _, self._received = self._received.partition(b"\n")
        return line + b"\n"


@pytest.fixture(params=["pipes", "sockets", "one socket"])
def descriptors(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, int, int]]:
    """Give our input and output, and the peer's ends of them."""
    if request.param == "pipes":
        stdin, to_us = os.pipe()
        from_us, stdout = os.pipe()
    else:
        ours, theirs = socket.socketpair()
        stdin, to_us = ours.detach(), theirs.detach()
        stdout, from_us = stdin, to_us
        if request.param == "sockets":
            # As Node.js gives them to its children.
            ours, theirs = socket.socketpair()
            stdout, from_us = ours.detach(), theirs.detach()
    yield stdin, stdout, to_us, from_us
    for descriptor in {stdin, stdout, to_us, from_us}:
        with contextlib.suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    stdin, to_us = os.pipe()
    from_us, stdout = os.pipe()
    yield stdin, stdout, to_us, from_us
    for descriptor in (stdin, stdout, to_us, from_us):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def make_transport(
    stdin: int, stdout: int, *, sender: Sender | None = None
) -> StdioServerTransport:
    return StdioServerTransport(
        stdin=stdin,
        stdout=stdout,
        sender=sender or Sender(),
        max_line_bytes=MAX_LINE_BYTES,
    )


@contextlib.asynccontextmanager
async def started(transport: StdioServerTransport) -> AsyncIterator[TaskGroup]:
    """Run a transport, which has closed at the end."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            yield tasks
            await transport.close()


async def test_messages_travel_both_ways(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio": one message a line."""
    stdin, stdout, to_us, from_us = descriptors
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout, sender=Sender(user="alice"))
    witness = Witness(transport)
    async with started(transport):
        await peer.write(line_of(PING))
        assert await witness.until_messages(1) == [PING]
        assert witness.senders == [Sender(user="alice", size=40, binding="stdio")]
        await transport.send(PONG)
        assert await peer.read_line() == line_of(PONG)
        await peer.write(line_of(PING) * 2)
        assert await witness.until_messages(3) == [PING] * 3
    assert (witness.closed, witness.errors) == (1, [])


async def test_lines_may_come_in_pieces(pipes: tuple[int, int, int, int]) -> None:
    """Our choice: a pipe knows no lines."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    async with started(transport):
        line = line_of(PING).replace(b"\n", b"\r\n")
        await peer.write(b"\n\r\n" + line[:10])
        await wait_all_tasks_blocked()
        assert witness.messages == []
        await peer.write(line[10:] + line + b"{")
        assert await witness.until_messages(2) == [PING, PING]
    assert witness.errors == []


async def test_huge_lines_travel_both_ways(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Our choice: up to `MAX_LINE_BYTES`, far more than a pipe holds."""
    stdin, stdout, to_us, from_us = descriptors
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    async with started(transport) as tasks:
        tasks.start_soon(peer.write, line_of(BIG))
        assert await witness.until_messages(1) == [BIG]
        tasks.start_soon(transport.send, BIG)
        assert await peer.read_line() == line_of(BIG)


async def test_concurrent_messages_do_not_mix(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio": whole lines only."""
    stdin, stdout, to_us, from_us = descriptors
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    sent = [
        jsonrpc.result(number, {"text": str(number) * 100_000}) for number in range(5)
    ]
    async with started(transport) as tasks:
        for message in sent:
            tasks.start_soon(transport.send, message)
        received = {await peer.read_line() for _ in sent}
    assert received == {line_of(message) for message in sent}


GARBAGE: dict[str, tuple[bytes, bytes]] = {
    # what: (line, error on stdout)
    "no JSON": (
        b"hello",
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,'
        b'"message":"no JSON text: expected value at line 1 column 1"}}',
    ),
    "invalid UTF-8": (
        b'"\xff"',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,'
        b'"message":"no JSON text: invalid unicode code point at line 1 column 2"}}',
    ),
    "no message": (
        b"[]",
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,'
        b'"message":"a batch needs at least one message"}}',
    ),
    "a request that is wrong": (
        b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":'
        b'"no JSON-RPC request: params: Input should be a valid dictionary"}}',
    ),
    "a batch": (
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":'
        b'"batches are not part of this protocol version; send one message"}}',
    ),
    "a line that is too long": (
        b"x" * (MAX_LINE_BYTES + 1),
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,'
        b'"message":"a line is longer than 2097152 bytes"}}',
    ),
}


@pytest.mark.parametrize(("line", "error"), GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_answered_and_the_transport_lives_on(
    pipes: tuple[int, int, int, int], line: bytes, error: bytes
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; 2025-11-25 basic, "Error Responses": the id is
    null only where none can be read. That the transport lives on is our choice."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    async with started(transport) as tasks:
        tasks.start_soon(peer.write, line + b"\n" + line_of(PING))
        assert await peer.read_line() == error + b"\n"
        assert await witness.until_messages(1) == [PING]
    assert len(witness.errors) == 1


async def test_batch_is_delivered_where_the_version_takes_them(
    pipes: tuple[int, int, int, int],
) -> None:
    """Spec: 2025-03-26 basic, "Batching". Its messages share its bytes."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    transport.takes_batches = True
    witness = Witness(transport)
    async with started(transport):
        line = b"[%b,%b]" % (jsonrpc.serialize(PING), jsonrpc.serialize(PING))
        await peer.write(line + b"\n")
        assert await witness.until_messages(2) == [PING, PING]
    assert [sender.size for sender in witness.senders] == [len(line) // 2] * 2


async def test_driver_that_raises_does_not_end_the_transport(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: told to `on_error`, and not to the peer."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    take = transport.on_message

    async def fail_once(message: Message, sender: Sender) -> None:
        transport.on_message = take
        raise LookupError("no such thing")

    transport.on_message = fail_once
    async with started(transport):
        await peer.write(line_of(PING) * 2)
        await witness.until_messages(1)
        await transport.send(PONG)
        assert await peer.read_line() == line_of(PONG)
    assert [str(error) for error in witness.errors] == ["no such thing"]


async def test_end_of_the_input_closes_after_what_came_before(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Shutdown". That the last line needs no end
    is our choice."""
    stdin, stdout, to_us, from_us = descriptors
    if to_us == from_us:
        peer = Peer(os.dup(to_us), from_us)
        half = socket.socket(fileno=os.dup(to_us))
    else:
        peer, half = Peer(to_us, from_us), None
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await peer.write(line_of(PING) * 3 + line_of(PING).strip())
            peer.end()
            if half is not None:
                half.shutdown(socket.SHUT_WR)
                half.close()
            await witness.until_closed()
    assert (witness.messages, witness.closed) == ([PING] * 4, 1)
    assert witness.errors == []
    os.fstat(stdin)  # the descriptors stay open
    os.fstat(stdout)


async def test_last_message_that_is_cut_short_is_answered(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: who wrote it may still read, and nobody takes half a message."""
    stdin, stdout, to_us, from_us = pipes
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    peer = Peer(to_us, from_us)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await peer.write(line_of(PING)[:-2])
            peer.end()
            answer = jsonrpc.parse(await peer.read_line())
            await witness.until_closed()
    assert isinstance(answer, JSONRPCError)
    assert (answer.id, answer.error.code) == (None, PARSE_ERROR)
    assert (witness.messages, len(witness.errors)) == ([], 1)


async def test_answers_are_still_written_when_the_input_ends(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: `on_end` lets handlers finish."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)

    async def answer() -> None:
        await transport.send(PONG)

    transport = StdioServerTransport(
        stdin=stdin,
        stdout=stdout,
        sender=Sender(),
        max_line_bytes=MAX_LINE_BYTES,
    )
    transport.on_end = answer
    witness = Witness(transport)
    async with started(transport):
        peer.end()
        assert await peer.read_line() == line_of(PONG)
        await witness.until_closed()


async def test_peer_that_stops_reading_is_waited_for(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Our choice: `send` waits, and while a message is being taken no line is read."""
    stdin, stdout, to_us, from_us = descriptors
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    taken: list[Message] = []

    async def echo(message: Message, sender: Sender) -> None:
        taken.append(message)
        await transport.send(BIG)

    transport.on_message = echo
    async with started(transport) as tasks:
        await peer.write(line_of(PING) * 2)
        await wait_all_tasks_blocked()
        assert taken == [PING]
        assert await peer.read_line() == line_of(BIG)
        assert await peer.read_line() == line_of(BIG)
        assert taken == [PING, PING]
        tasks.cancel_scope.cancel()


async def test_close_interrupts_a_write_that_waits(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Our choice: whatever waits for a transport ends with it."""
    stdin, stdout, _to_us, _from_us = descriptors
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    outcomes: list[str] = []

    async def send() -> None:
        with pytest.raises(TransportClosed):
            await transport.send(BIG)
        outcomes.append("closed")

    async with started(transport) as tasks:
        for _ in range(3):
            tasks.start_soon(send)
        await wait_all_tasks_blocked()
        await transport.close()
    assert (outcomes, witness.closed) == (["closed"] * 3, 1)


async def test_end_of_a_sender_does_not_cut_its_line(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: half a line would spoil the next one too."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    handler = anyio.CancelScope()

    async def handle() -> None:
        with handler:
            await transport.send(BIG)

    async with started(transport) as tasks:
        tasks.start_soon(handle)
        await wait_all_tasks_blocked()
        handler.cancel()
        tasks.start_soon(transport.send, PONG)
        assert await peer.read_line() == line_of(BIG)
        assert await peer.read_line() == line_of(PONG)


async def test_line_that_is_sent_while_one_waits_comes_after_it(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: short lines are written at once, but not into another one."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    async with started(transport) as tasks:
        tasks.start_soon(transport.send, BIG)
        await wait_all_tasks_blocked()
        tasks.start_soon(transport.send, PONG)
        assert await peer.read_line() == line_of(BIG)
        assert await peer.read_line() == line_of(PONG)
        await transport.send(PONG)
        assert await peer.read_line() == line_of(PONG)


class Faltering(StdioServerTransport):
    """Writes only the beginning of a line at once, as to a socket that is full."""

    def _write_at_once(self, line: bytes) -> int:
        return os.write(self._stdout, line[:3])


async def test_line_that_has_begun_is_ended_though_its_sender_ends(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: half a line would spoil the next one too."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = Faltering(
        stdin=stdin, stdout=stdout, sender=Sender(), max_line_bytes=MAX_LINE_BYTES
    )
    async with started(transport):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await transport.send(PONG)
        await transport.send(PING)
        assert await peer.read_line() == line_of(PONG)
        assert await peer.read_line() == line_of(PING)


async def test_peer_that_left_closes_the_transport(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: whoever sends learns of it."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    async with started(transport):
        peer.leave()
        with pytest.raises(TransportClosed, match="Broken pipe"):
            await transport.send(PONG)
        with pytest.raises(TransportClosed, match="the transport is closed"):
            await transport.send(PONG)
    assert witness.closed == 1


async def test_input_that_cannot_be_read_closes_the_transport(tmp_path: Path) -> None:
    """Our choice: the reason is told to `on_error`."""
    stdin = os.open(tmp_path, os.O_RDONLY)
    transport = make_transport(stdin, stdin)
    witness = Witness(transport)
    async with started(transport):
        await witness.until_closed()
    os.close(stdin)
    assert [type(error) for error in witness.errors] == [IsADirectoryError]


async def test_regular_files_are_read_and_written(tmp_path: Path) -> None:
    """Our choice: what cannot be waited for is used in a thread."""
    (tmp_path / "input").write_bytes(b"hello\n" + line_of(PING) * 2 + line_of(BIG))
    stdin = os.open(tmp_path / "input", os.O_RDONLY)
    stdout = os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    take = transport.on_message

    async def echo(message: Message, sender: Sender) -> None:
        await take(message, sender)
        await transport.send(message)

    transport.on_message = echo
    async with started(transport):
        await witness.until_closed()
    os.close(stdin)
    os.close(stdout)
    assert witness.messages == [PING, PING, BIG]
    error, *echoed = (tmp_path / "output").read_bytes().splitlines(keepends=True)
    assert b'"code":-32700' in error
    assert echoed == [line_of(PING), line_of(PING), line_of(BIG)]


async def test_descriptors_may_be_non_blocking(
    descriptors: tuple[int, int, int, int],
) -> None:
    """Our choice: descriptors are shared with other processes, which may change
    them."""
    stdin, stdout, to_us, from_us = descriptors
    for descriptor in (stdin, stdout):
        os.set_blocking(descriptor, False)
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    witness = Witness(transport)
    async with started(transport) as tasks:
        await wait_all_tasks_blocked()
        tasks.start_soon(transport.send, BIG)
        assert await peer.read_line() == line_of(BIG)
        await peer.write(line_of(PING))
        assert await witness.until_messages(1) == [PING]
    assert witness.errors == []


async def test_message_that_cannot_be_written_ends_nothing(
    pipes: tuple[int, int, int, int],
) -> None:
    """Our choice: the sender learns of it, the peer sees nothing."""
    stdin, stdout, to_us, from_us = pipes
    peer = Peer(to_us, from_us)
    transport = make_transport(stdin, stdout)
    async with started(transport):
        with pytest.raises(ValueError, match="surrogates"):
            await transport.send(jsonrpc.result(1, {"text": "\ud800"}))
        await transport.send(PONG)
        assert await peer.read_line() == line_of(PONG)


def test_claimed_standard_output_is_written_by_nobody_else() -> None:
    """Our choice: what tools, libraries and their children print goes to standard
    error, each line at once."""
    program = (
        "import os, subprocess\n"
        "from mcp_django.transports.server.stdio import claim_stdout\n"
        "print('before', flush=True)\n"
        "print('in a buffer')\n"
        "claimed = claim_stdout()\n"
        "assert claim_stdout() == claimed\n"
        "print('print')\n"
        "os.write(1, b'descriptor 1\\n')\n"
        "subprocess.run(['echo', 'a child'], check=True)\n"
        "os.write(claimed, b'message\\n')\n"
    )
    buffering = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=buffering,
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert done.stdout == b"before\nmessage\n"
    assert done.stderr == b"in a buffer\nprint\ndescriptor 1\na child\n"
