"""Telling missing migrations from other trouble with a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError

from mcp_django.database import lacks_migrations, needing_migrations

MISSING = [
    OperationalError("no such table: mcp_tokens_token"),
    OperationalError("no such column: mcp_tokens_token.hint"),
    OperationalError("table mcp_tokens_token has no column named hint"),
    OperationalError(1054, "Unknown column 'hint' in 'field list'"),
    ProgrammingError('relation "mcp_tokens_token" does not exist'),
    ProgrammingError(1146, "Table 'site.mcp_tokens_token' doesn't exist"),
    DatabaseError("ORA-00942: table or view does not exist"),
]
OTHERS = [
    OperationalError("database is locked"),
    OperationalError("server closed the connection unexpectedly"),
    OperationalError(2006, "Server has gone away"),
]


@pytest.fixture
def behind(transactional_db: None) -> Iterator[None]:
    """Take the migrations of an app back for a while."""
    call_command("migrate", "mcp_tokens", "zero", verbosity=0)
    yield
    call_command("migrate", "mcp_tokens", verbosity=0)


@pytest.mark.usefixtures("behind")
def test_missing_table_comes_of_missing_migrations() -> None:
    """Chosen: in the words of every database; when it is away that is another thing."""
    assert [lacks_migrations(error) for error in MISSING] == [True] * len(MISSING)
    assert [lacks_migrations(error) for error in OTHERS] == [False] * len(OTHERS)


@pytest.mark.django_db
def test_missing_table_of_a_migrated_database_is_a_bug() -> None:
    """Chosen: running migrations would not help."""
    assert not any(lacks_migrations(error) for error in MISSING)


@pytest.mark.usefixtures("behind")
def test_command_says_in_one_line_what_to_run() -> None:
    """Chosen: of the error only its first line."""
    with pytest.raises(CommandError) as caught, needing_migrations():
        raise ProgrammingError('relation "x" does not exist\nLINE 1: SELECT\n  ^')

    assert str(caught.value) == (
        'the database lacks migrations (relation "x" does not exist); run migrate first'
    )


@pytest.mark.usefixtures("behind")
def test_other_trouble_passes_through_a_command() -> None:
    """Chosen: its traceback says more."""
    with pytest.raises(OperationalError, match="is locked"), needing_migrations():
        raise OperationalError("database is locked")
