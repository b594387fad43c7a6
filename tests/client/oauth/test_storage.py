"""Storages keep one record for each server, and let one at a time work on it."""

from __future__ import annotations

import stat
import sys
import threading
from pathlib import Path

import anyio
import pytest

from mcp_django import OAuthError
from mcp_django.client.oauth import FileStorage, MemoryStorage, Storage

A = "https://a.example/mcp"
B = "https://b.example/mcp"


@pytest.fixture(params=["memory", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Make a new storage of each kind."""
    if request.param == "memory":
        return MemoryStorage()
    return FileStorage(tmp_path / "folder" / "tokens.json")


async def test_record_is_kept_for_its_server_alone(storage: Storage) -> None:
    """Chosen: a token of one server is never found for another."""
    await storage.set(A, {"token": "a"})
    await storage.set(B, {"token": "b"})
    await storage.set(A, {"token": "c"})
    await storage.delete(B)
    await storage.delete(B)

    assert await storage.get(A) == {"token": "c"}
    assert await storage.get(B) is None


async def test_what_is_done_to_a_record_later_is_not_kept(storage: Storage) -> None:
    """Chosen: what is kept changes by `set` alone."""
    record = {"client": {"id": "1"}}
    await storage.set(A, record)
    record["client"]["id"] = "2"
    found = await storage.get(A)
    assert found is not None
    found["client"]["id"] = "3"

    assert await storage.get(A) == {"client": {"id": "1"}}


async def test_lock_lets_one_task_in_at_a_time(storage: Storage) -> None:
    """Chosen: one refresh at a time."""
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with storage.lock(A):
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(work)

    assert most == 1


async def test_lock_of_one_server_does_not_hold_up_another(storage: Storage) -> None:
    """Chosen: a login may take minutes."""
    with anyio.fail_after(5):
        async with storage.lock(A), storage.lock(B):
            await storage.set(A, {"is": "there"})

    assert await storage.get(A) == {"is": "there"}


async def test_wait_for_a_lock_can_be_cancelled(storage: Storage) -> None:
    """Chosen: what gave up waiting does not get the lock later."""
    async with storage.lock(A):
        with anyio.move_on_after(0.05) as scope:
            async with storage.lock(A):
                raise AssertionError("two are inside")
    assert scope.cancelled_caught

    with anyio.fail_after(5):
        async with storage.lock(A):
            pass


def test_lock_holds_between_threads_with_loops_of_their_own(storage: Storage) -> None:
    """Chosen: each SyncClient has an event loop in a thread of its own."""
    is_inside, may_leave = threading.Event(), threading.Event()
    order = []

    async def first() -> None:
        async with storage.lock(A):
            is_inside.set()
            await anyio.to_thread.run_sync(may_leave.wait, 10)
            order.append("first")

    async def second() -> None:
        await anyio.to_thread.run_sync(is_inside.wait, 10)
        with anyio.move_on_after(0.05):
            async with storage.lock(A):
                order.append("too early")
        may_leave.set()
        async with storage.lock(A):
            order.append("second")

    threads = [threading.Thread(target=anyio.run, args=[f]) for f in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert order == ["first", "second"]


# Files --------------------------------------------------------------------------


async def test_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    """Chosen: there are tokens in it."""
    path = tmp_path / "folder" / "tokens.json"
    await FileStorage(path).set(A, {"token": "secret"})

    def mode(of: Path) -> int:
        return stat.S_IMODE(of.stat().st_mode)

    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert sorted(child.name for child in path.parent.iterdir()) == [
        "tokens.json",
        "tokens.json.file.lock",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', f'{{"{A}": 7}}'])
async def test_file_that_is_no_storage_is_begun_anew(tmp_path: Path, text: str) -> None:
    """Chosen: the user logs in again, which puts it right."""
    path = tmp_path / "tokens.json"
    path.write_text(text)
    storage = FileStorage(path)

    assert await storage.get(A) is None
    await storage.set(A, {"token": "a"})
    assert await storage.get(A) == {"token": "a"}


async def test_file_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    """Chosen: what the system says is told as what it means for logins."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "tokens.json"
    storage = FileStorage(path)

    with pytest.raises(OAuthError, match=r"logins cannot be kept in .*tokens\.json"):
        await storage.get(A)
    with pytest.raises(OAuthError, match=r"logins cannot be kept in .*tokens\.json"):
        await storage.set(A, {"token": "a"})
    with pytest.raises(OAuthError, match=r"logins cannot be kept in .*tokens\.json"):
        async with storage.lock(A):
            raise AssertionError("there is no lock")


async def test_error_of_who_holds_a_lock_is_their_own(tmp_path: Path) -> None:
    """Chosen: what goes wrong within the block is not about the file."""
    with pytest.raises(OSError, match="theirs"):
        async with FileStorage(tmp_path / "tokens.json").lock(A):
            raise OSError("theirs")


async def test_lock_of_a_file_holds_between_processes(tmp_path: Path) -> None:
    """Chosen: two programs share one login, and one refreshes."""
    path = tmp_path / "tokens.json"
    script = (
        "import anyio, sys\n"
        "from mcp_django.client.oauth import FileStorage\n"
        "async def main():\n"
        "    async with FileStorage(sys.argv[1]).lock(sys.argv[2]):\n"
        "        print('inside', flush=True)\n"
        "        await anyio.to_thread.run_sync(sys.stdin.readline)\n"
        "anyio.run(main)\n"
    )
    command = [sys.executable, "-c", script, str(path), A]
    async with await anyio.open_process(command) as other:
        try:
            assert other.stdout is not None
            with anyio.fail_after(20):
                assert (await other.stdout.receive()).startswith(b"in")
            with anyio.move_on_after(0.1) as scope:
                async with FileStorage(path).lock(A):
                    raise AssertionError("two are inside")
            assert scope.cancelled_caught
        finally:
            other.kill()
    # A process that was killed holds nothing any more.
    with anyio.fail_after(10):
        async with FileStorage(path).lock(A):
            pass
