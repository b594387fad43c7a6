"""Databases that are away, as those see it who ask them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from mcp_django.bulkheads import databases
from mcp_django.exceptions import ServiceAway

pytestmark = pytest.mark.anyio


@pytest.fixture
def away(tmp_path: Path) -> BaseDatabaseWrapper:
    """Give a connection with a database that cannot be opened."""
    name = str(tmp_path / "missing" / "site.sqlite3")
    kept = {"ENGINE": "django.db.backends.sqlite3", "NAME": name}
    wrapper = ConnectionHandler({"default": {}, "archive": kept})["archive"]
    assert isinstance(wrapper, BaseDatabaseWrapper)
    return wrapper


async def test_database_that_is_away_is_named_once(
    away: BaseDatabaseWrapper,
    django_db_blocker: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: one line, without a traceback, however many ask."""
    settings.MCP = {}  # and what other tests noted is forgotten

    async def ask() -> None:
        await asyncio.to_thread(lambda: away.cursor().execute("SELECT 1"))

    for _ in range(20):
        with django_db_blocker.unblock(), pytest.raises(ServiceAway) as caught:
            await databases.ask(ask)
        assert caught.value.message == (
            "the site's database does not answer; try again in 5 seconds"
        )
    assert [(r.name, r.levelno, r.exc_info) for r in caplog.records] == [
        ("mcp_django.database", logging.ERROR, None)
    ]
    assert caplog.messages == [
        "the database 'archive' does not answer: what needs it is refused, or fails "
        "(OperationalError('unable to open database file'))"
    ]


async def test_what_a_database_answers_is_raised_as_it_is() -> None:
    """Chosen: such as that a row is there already."""

    async def ask() -> None:
        raise IntegrityError("duplicate key")

    with pytest.raises(IntegrityError):
        await databases.ask(ask)


@pytest.mark.django_db
def test_database_that_answers_again_is_said_to_by_whoever_asked_it(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: whether it was `def` code of ours or of the site."""
    settings.MCP = {}
    away = OperationalError("the server closed the connection unexpectedly")
    for _ in range(3):
        assert databases.note(away) is not None

    databases.watched(User.objects.count)
    databases.watched(User.objects.count)

    assert caplog.messages[1:] == [
        "the database 'default' answers again, after 0 seconds and 3 failures"
    ]
