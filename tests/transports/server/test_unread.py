"""The budget of bytes that are not read yet."""

import gc
import weakref

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.exceptions import ReaderTooSlow
from mcp_django.transports.server.unread import Account, Unread, UnreadLimits
from tests.patience import PATIENCE_SECONDS


def make(*, most: int = 1000, per_user: int = 400) -> Unread:
    return Unread(lambda: UnreadLimits(most, per_user))


def test_user_has_no_more_than_the_limit() -> None:
    """We promise it: MCP["MAX_UNREAD_BYTES_PER_USER"], over all connections."""
    unread = make()
    first, second = Account(unread, "ann"), Account(unread, "ann")
    first.take(300)
    with pytest.raises(ReaderTooSlow) as caught:
        second.take(101)
    assert (caught.value.size, caught.value.unread) == (101, 300)
    second.take(100)
    first.close()
    assert (unread.total, unread.bytes_of("ann")) == (100, 100)


def test_who_does_not_read_leaves_room_for_others() -> None:
    """We promise it: some of MCP["MAX_UNREAD_BYTES"] is left for the next user."""
    unread = make()
    held = []
    for user in range(20):
        account = Account(unread, f"user {user}")
        while True:
            try:
                account.take(10)
            except ReaderTooSlow:
                break
        held.append(account.held)
    assert held[:3] == [400, 300, 150]
    assert unread.total < 1000
    Account(unread, "newcomer").take(1)


def test_user_who_has_nothing_unread_may_have_one_large_answer() -> None:
    """Chosen: it may be larger than their limit, and is not all that there is."""
    unread = make()
    with pytest.raises(ReaderTooSlow):
        Account(unread, "ann").take(501)
    Account(unread, "ann").take(500)
    with pytest.raises(ReaderTooSlow):
        Account(unread, "ann").take(1)
    Account(unread, "bob").take(250)


def test_connections_of_no_user_count_alone() -> None:
    """Chosen: where authentication is switched off, one client cannot use up the
    budget of another."""
    unread = make()
    first, second = Account(unread), Account(unread)
    first.take(400)
    with pytest.raises(ReaderTooSlow):
        first.take(1)
    second.take(300)
    assert unread.total == 700


def test_nothing_more_is_counted_than_was() -> None:
    """We promise it: the budget comes back, however a connection ends."""
    unread = make()
    account = Account(unread, "ann")
    account.add(300)
    account.close()
    account.give_back(300)
    with pytest.raises(ZeroDivisionError), account.holding(200):
        assert unread.total == 200
        raise ZeroDivisionError
    assert (unread.total, account.held) == (0, 0)


def test_what_goes_at_once_leaves_no_trace() -> None:
    """Our choice: a user whose answers are not counted is not kept in mind either."""

    class Owner(str):
        pass

    unread, owner = make(), Owner("ann")
    is_kept = weakref.ref(owner)
    account = Account(unread, owner)
    account.take(0)
    account.add(0)
    account.close()
    del account, owner
    gc.collect()
    assert is_kept() is None
    assert unread.total == 0


def test_user_is_full_with_half_of_the_budget() -> None:
    """Chosen: what is begun already may need the other half."""
    unread = make()
    account = Account(unread, "ann")
    account.take(199)
    assert not account.is_full
    account.take(1)
    assert account.is_full
    assert not Account(unread, "bob").is_full
    assert not Account(None, "ann").is_full


async def test_who_waits_for_room_goes_on_when_something_is_read() -> None:
    """Chosen: parallel requests of a client that reads should not be refused."""
    unread = make()
    account = Account(unread, "ann")
    account.take(300)
    found: list[bool] = []

    async def wait() -> None:
        found.append(await unread.wait_for_room("ann", PATIENCE_SECONDS))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        account.give_back(50)
        await wait_all_tasks_blocked()
        assert found == []
        account.give_back(100)
    assert found == [True]
    account.take(200)
    assert not await unread.wait_for_room("ann", 0.01)
