"""What a process knows of the table, and from when on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.utils import DatabaseError
from pytest_django import Settings

from mcp_django import Server
from mcp_django.exceptions import ServiceAway
from mcp_django.server.requests import Request
from mcp_django.server.switched_off import SwitchedFeature, SwitchedOff
from mcp_django.switches.keeper import Keeper
from mcp_django.switches.models import Switch
from tests.server.calls import Caller

pytestmark = pytest.mark.django_db(transaction=True)

REFUND = SwitchedFeature("tool", "refund")
TABLE = Switch._meta.db_table


@pytest.fixture(autouse=True)
def works_again(settings: Settings) -> None:
    """Forget what was away in tests before."""
    settings.MCP = {}


class Process:
    """What a process that serves knows of the table."""

    def __init__(self) -> None:
        self.off = SwitchedOff()
        self.keeper = Keeper(self.off, is_test=lambda: False)
        self.keeper.begin()

    def learn(self) -> None:
        """Do what a request does, in an event loop of asyncio."""
        if self.off.is_any:
            async_to_sync(self.keeper.learn)(request())


def request() -> Request:
    return Caller(Server("shop")).request("tools/call", {"name": "refund"})


def put(*features: SwitchedFeature) -> None:
    """Write rows as another program does, of which this process hears nothing."""
    Switch.objects.bulk_create(
        Switch(kind=each.kind, name=each.name, server=each.server) for each in features
    )


@contextmanager
def changed(sql: str, back: str) -> Iterator[None]:
    """Let the table be another than the one that is read."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(back)


broken = (
    f"ALTER TABLE {TABLE} RENAME COLUMN name TO other",
    f"ALTER TABLE {TABLE} RENAME COLUMN other TO name",
)
missing = (f"ALTER TABLE {TABLE} RENAME TO away", f"ALTER TABLE away RENAME TO {TABLE}")


def test_first_request_learns_what_was_off_before_the_process_began() -> None:
    """We promise it: a restart switches nothing on."""
    put(REFUND)
    process = Process()
    process.learn()
    assert process.off.features == {REFUND}
    assert process.off.is_any


def test_nothing_is_asked_any_more_while_nothing_is_off() -> None:
    """We promise it: then the app costs a request one look at an attribute."""
    process = Process()
    process.learn()
    assert not process.off.is_any


def test_table_is_not_read_for_each_request_while_something_is_off() -> None:
    """We promise it."""
    put(REFUND)
    process = Process()
    process.learn()
    with changed(*broken):
        process.learn()
    assert process.off.features == {REFUND}


def test_requests_are_refused_while_it_is_not_known_what_is_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: what decides fails closed, says why once, and recovers."""
    process = Process()
    with changed(*broken):
        for _ in range(3):
            with pytest.raises(ServiceAway) as caught:
                process.learn()
    assert str(caught.value) == (
        "the table of features switched off does not answer; try again in 5 seconds"
    )
    process.learn()
    assert not process.off.is_any
    assert [line.partition(" (")[0] for line in caplog.messages] == [
        "the table of features switched off does not answer: what was known last "
        "counts, and requests are refused where nothing is known yet",
        "the table of features switched off answers again, after 0 seconds and 3 "
        "failures",
    ]


def test_last_that_was_known_counts_while_the_table_cannot_be_read() -> None:
    """We promise it: an outage switches nothing on, nor anything else off."""
    put(REFUND)
    process = Process()
    process.keeper.read()
    for fault in (broken, missing):
        with changed(*fault), pytest.raises(DatabaseError):
            process.keeper.read()
    assert process.off.features == {REFUND}


def test_without_its_table_nothing_is_off(caplog: pytest.LogCaptureFixture) -> None:
    """We chose it: a deploy that has yet to migrate has switched nothing off."""
    process = Process()
    with changed(*missing):
        process.learn()
        process.keeper.read()
        assert not process.off.is_any
    put(REFUND)
    process.keeper.read()
    assert process.off.is_any
    assert caplog.messages == [
        "the table of features switched off does not exist, so nothing is switched "
        "off; run migrate"
    ]


def test_change_counts_when_it_is_committed() -> None:
    """We promise it: what is rolled back has not happened, and none is told."""
    process = Process()
    told: list[frozenset[SwitchedFeature]] = []
    process.keeper.on_changed = lambda: told.append(process.off.features)
    with transaction.atomic():
        put(REFUND)
        process.keeper.note_change("default")
        assert not told
    assert told == [{REFUND}]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Switch.objects.all().delete()
        process.keeper.note_change("default")
        raise ZeroDivisionError
    assert told == [{REFUND}]


def test_table_is_read_once_for_all_changes_of_a_transaction() -> None:
    """We promise it: an operator may switch hundreds of features off at once."""
    process = Process()
    told: list[frozenset[SwitchedFeature]] = []
    process.keeper.on_changed = lambda: told.append(process.off.features)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        process.keeper.note_change("default")
        raise ZeroDivisionError
    for _ in range(2):
        with transaction.atomic():
            with suppress(ZeroDivisionError), transaction.atomic():
                process.keeper.note_change("default")
                raise ZeroDivisionError
            process.keeper.note_change("default")
            put(SwitchedFeature("tool", f"refund {len(told)}"))
            process.keeper.note_change("default")
    assert [len(features) for features in told] == [1, 2]


def test_requests_on_trio_have_the_table_read_themselves(settings: Settings) -> None:
    """We promise it: no worker does it there."""
    process = Process()

    async def learn_twice() -> None:
        for _ in range(2):
            assert process.off.is_any
            await process.keeper.learn(request())

    anyio.run(learn_twice, backend="trio")
    assert not process.off.features
