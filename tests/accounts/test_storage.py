"""Tokens of accounts in rows of the database."""

from __future__ import annotations

import logging
from datetime import timedelta

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from mcp_django.accounts.models import Account
from mcp_django.accounts.storage import LEASE_SECONDS, AccountStorage
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS

URL = "https://warehouse.example/mcp"
RECORD = {"tokens": {"access_token": "s3cret"}}


async def test_record_is_kept_encrypted_for_user_and_server(
    ada: User, bob: User
) -> None:
    """Chosen: each user has an account of their own."""
    storage = AccountStorage(ada.pk, adds=True)
    await storage.set(URL, RECORD)
    await storage.set(URL, {**RECORD, "more": 1})

    account = await Account.objects.aget()
    assert (account.user_id, account.server_url) == (ada.pk, URL)
    assert "s3cret" not in account.sealed
    assert await storage.get(URL) == {**RECORD, "more": 1}
    assert await storage.get("https://other.example/mcp") is None
    assert await AccountStorage(bob.pk).get(URL) is None


async def test_record_of_another_row_is_no_record(
    ada: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: who can write the database makes no user of another one."""
    await AccountStorage(ada.pk, adds=True).set(URL, RECORD)
    await AccountStorage(bob.pk, adds=True).set(URL, {"tokens": {}})
    stolen = (await Account.objects.aget(user=ada)).sealed
    await Account.objects.filter(user=bob).aupdate(sealed=stolen)

    assert await AccountStorage(bob.pk).get(URL) is None
    assert "connect it again" in caplog.text
    assert "s3cret" not in caplog.text


async def test_record_of_a_lost_key_is_none_and_the_log_says_why(
    ada: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the user connects again, and the operator knows what happened."""
    storage = AccountStorage(ada.pk, adds=True)
    await storage.set(URL, RECORD)
    settings.SECRET_KEY = "another"

    assert await storage.get(URL) is None
    assert "SECRET_KEY_FALLBACKS" in caplog.text


async def test_deleted_record_is_gone(ada: User) -> None:
    """Chosen: it can be deleted twice."""
    storage = AccountStorage(ada.pk, adds=True)
    await storage.set(URL, RECORD)
    await storage.delete(URL)
    await storage.delete(URL)

    assert await storage.get(URL) is None
    assert not await Account.objects.aexists()


async def test_account_that_was_disconnected_meanwhile_does_not_come_back(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a refresh that is under way must not undo what the user did."""
    caplog.set_level(logging.INFO, "mcp_django.accounts")
    await AccountStorage(ada.pk).set(URL, RECORD)

    assert not await Account.objects.aexists()
    assert "has disconnected" in caplog.text


async def test_accounts_go_with_their_user(ada: User, bob: User) -> None:
    """Chosen: nothing of a deleted user stays."""
    for user in (ada, bob):
        await AccountStorage(user.pk, adds=True).set(URL, RECORD)
    await ada.adelete()

    assert [a.user_id async for a in Account.objects.all()] == [bob.pk]


# The lock -----------------------------------------------------------------------


async def test_lock_lets_one_at_a_time_in(ada: User) -> None:
    """Chosen: several workers are as several storages."""
    await AccountStorage(ada.pk, adds=True).set(URL, RECORD)
    inside: list[int] = []
    most = 0

    async def enter(number: int) -> None:
        nonlocal most
        async with AccountStorage(ada.pk).lock(URL):
            inside.append(number)
            most = max(most, len(inside))
            await anyio.lowlevel.checkpoint()
            inside.remove(number)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(enter, number)

    assert most == 1
    account = await Account.objects.aget()
    assert (account.lock_holder, account.locked_until) == ("", None)


async def test_locks_of_others_are_no_hindrance(ada: User, bob: User) -> None:
    """Chosen: a lock is for one user's account at one server."""
    for user in (ada, bob):
        for url in (URL, f"{URL}/2"):
            await AccountStorage(user.pk, adds=True).set(url, RECORD)

    with anyio.fail_after(SOON_SECONDS):
        async with (
            AccountStorage(ada.pk).lock(URL),
            AccountStorage(bob.pk).lock(URL),
            AccountStorage(ada.pk).lock(f"{URL}/2"),
            # Where there is no account, nothing can be renewed twice.
            AccountStorage(ada.pk).lock(f"{URL}/3"),
        ):
            pass


async def test_cancelled_holder_lets_go(ada: User) -> None:
    """Chosen: a client that is closed while it logs in keeps no other out."""
    await AccountStorage(ada.pk, adds=True).set(URL, RECORD)

    with anyio.move_on_after(0) as scope:
        async with AccountStorage(ada.pk).lock(URL):
            await anyio.sleep_forever()
    with anyio.fail_after(SOON_SECONDS), anyio.CancelScope() as scope:
        async with AccountStorage(ada.pk).lock(URL):
            scope.cancel()
            await anyio.sleep_forever()

    with anyio.fail_after(SOON_SECONDS):
        async with AccountStorage(ada.pk).lock(URL):
            pass


async def test_lock_of_a_process_that_is_gone_ends_by_itself(ada: User) -> None:
    """Chosen: a process that was killed gives nothing back."""
    await AccountStorage(ada.pk, adds=True).set(URL, RECORD)
    now = timezone.now()
    await Account.objects.aupdate(lock_holder="gone", locked_until=now)

    with anyio.fail_after(SOON_SECONDS):
        async with AccountStorage(ada.pk).lock(URL):
            account = await Account.objects.aget()
            assert account.locked_until is not None
            lasts = account.locked_until - now
            # The database's clock has milliseconds only.
            assert lasts > timedelta(seconds=LEASE_SECONDS - 1)


async def test_holder_whose_lease_was_over_does_not_end_another_one(
    ada: User,
) -> None:
    """Chosen: each gives back its own only."""
    await AccountStorage(ada.pk, adds=True).set(URL, RECORD)

    async with AccountStorage(ada.pk).lock(URL):
        await Account.objects.aupdate(lock_holder="another")

    assert (await Account.objects.aget()).lock_holder == "another"


def test_storage_is_used_in_several_event_loops(ada: User) -> None:
    """Chosen: `SyncClient` has one of its own each time."""
    storage = AccountStorage(ada.pk, adds=True)
    anyio.run(storage.set, URL, RECORD)

    assert anyio.run(storage.get, URL) == RECORD
    assert anyio.run(storage.get, URL, backend="trio") == RECORD


async def test_storage_works_under_a_sync_view(ada: User) -> None:
    """Chosen: there the thread that asgiref would take waits for us."""
    storage = AccountStorage(ada.pk, adds=True)

    def view() -> None:
        with start_blocking_portal() as portal:
            portal.call(storage.set, URL, RECORD)
        async_to_sync(storage.set)(URL, RECORD)

    with anyio.fail_after(SOON_SECONDS):
        await sync_to_async(view)()

    assert await storage.get(URL) == RECORD
