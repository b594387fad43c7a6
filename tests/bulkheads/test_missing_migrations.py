"""Telling missing migrations from other trouble with a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DatabaseError,
    DataError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)

from mcp_django.bulkheads.missing_migrations import (
    MAKE_AND_MIGRATE,
    MIGRATE,
    commands_for,
    needing_database,
)
from mcp_django.tokens.models import Token

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
    assert [commands_for(error) for error in MISSING] == [MIGRATE] * len(MISSING)
    assert [commands_for(error) for error in OTHERS] == [None] * len(OTHERS)


@pytest.mark.django_db
def test_missing_table_of_a_migrated_database_is_a_bug() -> None:
    """Chosen: running migrations would not help."""
    assert not any(commands_for(error) for error in MISSING)


@pytest.fixture(params=["table", "column"])
def unmade(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """Take away what a model has and no migration makes; give its name."""
    table, field = Token._meta.db_table, Token._meta.get_field("hint")
    with connection.schema_editor() as editor:
        if request.param == "table":
            editor.alter_db_table(Token, table, "elsewhere")
        else:
            editor.execute(f"ALTER TABLE {table} RENAME COLUMN {field.column} TO away")
    yield f"{table}.{field.column}" if request.param == "column" else table
    with connection.schema_editor() as editor:
        if request.param == "table":
            editor.alter_db_table(Token, "elsewhere", table)
        else:
            editor.execute(f"ALTER TABLE {table} RENAME COLUMN away TO {field.column}")


def test_what_no_migration_makes_has_to_be_made_first(unmade: str) -> None:
    """Chosen: so it is with a new model, and with a field of one that was added."""
    with pytest.raises(DatabaseError) as caught:
        Token.objects.filter(hint="x").exists()
    assert unmade in str(caught.value)
    assert commands_for(caught.value) == MAKE_AND_MIGRATE
    in_postgresql = f'"{unmade}" does not exist'
    assert commands_for(ProgrammingError(in_postgresql)) == MAKE_AND_MIGRATE
    assert commands_for(OperationalError("no such table: nowhere")) is None


@pytest.mark.usefixtures("behind")
def test_command_says_in_one_line_what_to_run() -> None:
    """Chosen: of the error only its first line."""
    with pytest.raises(CommandError) as caught, needing_database():
        raise ProgrammingError('relation "x" does not exist\nLINE 1: SELECT\n  ^')

    assert str(caught.value) == (
        'the database lacks migrations (relation "x" does not exist); run migrate first'
    )


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_command_says_in_one_line_that_the_database_is_away(kind: type[Error]) -> None:
    """Chosen: an operator in trouble wants no sixty lines of a driver's."""
    with pytest.raises(CommandError) as caught, needing_database():
        raise kind("connection refused\n\tIs the server running?")

    assert str(caught.value) == "the database does not answer: connection refused"


@pytest.mark.usefixtures("behind")
def test_other_trouble_passes_through_a_command() -> None:
    """Chosen: its traceback says more."""
    with pytest.raises(DataError, match="too long"), needing_database():
        raise DataError("value too long")
