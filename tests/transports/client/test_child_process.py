"""Our ends of the pipes of a child process."""

import os

import anyio
import pytest

from mcp_django.transports.client.child_process import ReadEnd, WriteEnd
from tests.transports.witness import PATIENCE_SECONDS

CHUNK = b"x" * 64 * 1024


async def test_what_is_written_is_received() -> None:
    """Chosen: in pieces of any size, and nothing at the end."""
    descriptor, other = os.pipe()
    incoming = ReadEnd(descriptor)
    outgoing = WriteEnd(other)
    received = b""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outgoing.send, CHUNK * 10)
            while len(received) < len(CHUNK * 10):
                received += await incoming.receive()
        outgoing.close()
        assert await incoming.receive() == b""
    incoming.close()
    assert received == CHUNK * 10


async def test_finished_pipe_is_read_to_what_is_there() -> None:
    """Chosen: others may hold it open, and are not waited for."""
    descriptor, other = os.pipe()
    incoming = ReadEnd(descriptor)
    os.write(other, b"abc")
    incoming.finish()
    assert await incoming.receive() == b"abc"
    assert await incoming.receive() == b""
    incoming.close()
    os.close(other)


async def test_finished_pipe_ends_though_others_write_on() -> None:
    """Chosen: after more than a pipe can hold."""
    descriptor, other = os.pipe()
    incoming = ReadEnd(descriptor)
    incoming.finish()
    size = 0
    for _ in range(17):
        os.write(other, CHUNK)
        size += len(await incoming.receive())
    assert size == 16 * len(CHUNK)
    incoming.close()
    os.close(other)


async def test_finish_wakes_who_waits_for_bytes() -> None:
    """Chosen: it finds the end at once."""
    descriptor, other = os.pipe()
    incoming = ReadEnd(descriptor)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(incoming.receive)
            await anyio.wait_all_tasks_blocked()
            incoming.finish()
    incoming.close()
    os.close(other)


async def test_pipe_may_be_closed_under_who_reads() -> None:
    """Chosen: as at the end; twice closes nothing else."""
    descriptor, other = os.pipe()
    incoming = ReadEnd(descriptor)
    received: list[bytes] = []

    async def read() -> None:
        received.append(await incoming.receive())

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            incoming.close()
    incoming.close()
    os.close(other)
    assert received == [b""]
    assert await incoming.receive() == b""


async def test_pipe_may_be_closed_under_who_writes() -> None:
    """Chosen: as if no process read."""
    descriptor, other = os.pipe()
    outgoing = WriteEnd(other)
    refused: list[str] = []

    async def write() -> None:
        with pytest.raises(BrokenPipeError) as refusal:
            await outgoing.send(CHUNK * 10)
        refused.append(str(refusal.value))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            outgoing.close()
    os.close(descriptor)
    assert refused == ["[Errno 32] the pipe is closed"]
