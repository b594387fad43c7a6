"""How entries come into the database, and what happens while it takes none."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from mcp_django.audit.models import Entry
from mcp_django.audit.rows import Row
from mcp_django.audit.writer import Writer
from tests.live.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


NOW = 1_800_000_000.25

ROW = Row(
    time=NOW,
    server="shop",
    method="tools/call",
    feature_kind="tool",
    feature="add",
    user_pk="7",
    username="ada",
    credential="token 12",
    client_name="Claude",
    client_version="1.0",
    protocol_version="2026-07-28",
    address="127.0.0.1",
    outcome="refused",
    reason="no",
    error="ToolError",
    seconds=0.5,
    details={"order": 7},
)


def entry(feature: str = "add", **fields: Any) -> Row:
    return ROW._replace(feature=feature, **fields)


def written() -> list[str]:
    return list(Entry.objects.order_by("pk").values_list("feature", flat=True))


@pytest.mark.parametrize("use_tz", [True, False])
def test_entry_has_all_that_was_recorded(settings: Settings, use_tz: bool) -> None:
    """We promise it: however the site keeps times."""
    settings.USE_TZ = use_tz
    writer = Writer()
    writer.add(ROW)

    writer.close()

    found = Entry.objects.get()
    assert found.time.timestamp() == NOW
    assert {name: getattr(found, name) for name in Row._fields[1:]} == {
        name: getattr(ROW, name) for name in Row._fields[1:]
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\0b\ud800", "ab?"),
        ("x" * 300, "x" * 200),
        ("é" * 300, "é" * 200),
    ],
)
def test_text_that_no_database_takes_is_mended(given: str, kept: str) -> None:
    """We chose it: PostgreSQL takes no NUL, and no driver half a character."""
    writer = Writer()
    writer.add(entry(given))

    writer.close()

    assert written() == [kept]


def test_many_entries_are_written_at_once() -> None:
    """We chose it: a second of them may be more than may wait."""
    writer = Writer(flush_seconds=60)

    for number in range(500):
        writer.add(entry(f"tool-{number}"))

    wait_until(lambda: len(written()) == 500)
    writer.close()


def test_entries_are_written_by_themselves_in_order() -> None:
    """We promise it."""
    writer = Writer(flush_seconds=0.01)
    names = [f"tool-{number}" for number in range(1200)]

    for name in names:
        writer.add(entry(name))

    wait_until(lambda: len(written()) == len(names))
    writer.close()
    assert written() == names


def test_clean_end_loses_nothing() -> None:
    """We promise it: also of what came a moment before."""
    writer = Writer(flush_seconds=60)
    writer.add(entry())

    writer.close()

    assert written() == ["add"]


def test_what_is_too_much_is_dropped_counted_and_said(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: memory is bounded."""
    settings.MCP = {"AUDIT_QUEUE": 2}
    writer = Writer(flush_seconds=60)

    for name in ("one", "two", "three"):
        writer.add(entry(name))

    [line] = caplog.messages
    assert line.startswith("an entry of the audit trail is dropped, because ")
    writer.close()
    assert written() == ["one", "two"]


def test_entries_wait_until_the_database_takes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: what is to be done is said once, and then it goes on by itself."""
    table = Entry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
    writer = Writer(flush_seconds=0.01, retry_seconds=0.01)
    try:
        writer.add(entry())
        wait_until(lambda: "run manage.py" in caplog.text)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")

    wait_until(lambda: written() == ["add"])
    writer.close()
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "the database lacks what the audit trail needs" in record.getMessage()


def test_entry_that_the_database_refuses_keeps_back_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We chose it: it is lost, and that is said."""
    writer = Writer(flush_seconds=60)
    for one in (entry("before"), entry(seconds=None), entry("after")):
        writer.add(one)

    writer.close()

    assert written() == ["before", "after"]
    assert (
        "an entry of the audit trail is lost, as the database refuses it" in caplog.text
    )


def test_end_says_what_it_could_not_write(caplog: pytest.LogCaptureFixture) -> None:
    """We promise it: nothing is lost without a word."""
    table = Entry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
    try:
        writer = Writer(flush_seconds=60)
        writer.add(entry())
        writer.close()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")

    assert "an entry of the audit trail is lost: the process ends" in caplog.text
