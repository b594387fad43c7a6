"""What to say of a database that lacks what the installed apps need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from mcp_django.bulkheads.fault_log import FaultLog

logger = FaultLog("mcp_django.database")

_MISSING: Final = re.compile(
    r"no such (table|column)|has no column|unknown column|ORA-00904|ORA-00942",
    re.IGNORECASE,
)
"""What databases say of a missing table or column; PostgreSQL has a class for it."""

_AWAY: Final = (OperationalError, InterfaceError)

MIGRATE: Final = "migrate"
MAKE_AND_MIGRATE: Final = "makemigrations and migrate"


def lacks_something(error: BaseException) -> bool:
    """Say whether an error may come of a table or column that a database lacks."""
    return isinstance(error, ProgrammingError) or (
        isinstance(error, DatabaseError) and _MISSING.search(str(error)) is not None
    )


def commands_for(error: DatabaseError) -> str | None:
    """Name the commands to run if an error came of what the database lacks.

    Slow, so that it is asked only once something has failed.

    Returns:
        `MIGRATE`; `MAKE_AND_MIGRATE` where no migration makes it yet; None for an error
        that came of something else.
    """
    if not lacks_something(error):
        return None
    text = str(error)
    found = {_commands_for(connections[alias], text.lower()) for alias in connections}
    return next((c for c in (MAKE_AND_MIGRATE, MIGRATE) if c in found), None)


def _commands_for(connection: BaseDatabaseWrapper, text: str) -> str | None:
    """Name the commands for one database.

    Args:
        connection: With it.
        text: Of the error, in lower case.
    """
    is_behind = False
    migrated: Set[str] = set()
    try:
        executor = MigrationExecutor(connection)
        loader = executor.loader
        if connection.alias != DEFAULT_DB_ALIAS and not loader.applied_migrations:
            return None  # It belongs to another program.
        migrated = {app_label for app_label, _ in loader.graph.nodes}
        is_behind = bool(executor.migration_plan(loader.graph.leaf_nodes()))
    except Exception:
        # It is away, or migrations cannot be read: such as while there is none of the
        # app with the user model, on which those of others depend.
        logger.debug("cannot tell which migrations there are", exc_info=True)
    try:
        # What a migration that was not run yet makes is missing by right.
        settled: Set[str] = migrated if is_behind else frozenset()
        if _lacks_model(connection, text, besides=settled):
            return MAKE_AND_MIGRATE
    except Exception:
        logger.debug("cannot tell which tables there are", exc_info=True)
    return MIGRATE if is_behind else None


def _lacks_model(
    connection: BaseDatabaseWrapper, text: str, *, besides: Set[str]
) -> bool:
    """Say whether a database lacks a table or column that an error speaks of.

    Args:
        connection: With the database.
        text: Of the error, in lower case.
        besides: Labels of apps of which nothing is to be said.
    """
    named = connection.introspection.identifier_converter
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor, include_views=True))
        for model in connection.introspection.get_migratable_models():
            if model._meta.app_label in besides:
                continue
            table = model._meta.db_table
            if named(table) not in tables:
                if table.lower() in text:
                    return True
                continue
            columns = {
                named(field.column)
                for field in model._meta.local_concrete_fields
                if field.column and field.column.lower() in text
            }
            if columns and columns - _columns_of(connection, cursor, table):
                return True
    return False


def _columns_of(
    connection: BaseDatabaseWrapper, cursor: Any, table: str
) -> frozenset[str]:
    described = connection.introspection.get_table_description(cursor, table)
    return frozenset(column.name for column in described)


@contextmanager
def needing_database() -> Iterator[None]:
    """In a command, say in place of a traceback what is wrong with the database.

    Raises:
        CommandError: It is away, or the block needs what it does not have yet.
    """
    try:
        yield
    except Error as error:
        reason = str(error).strip().partition("\n")[0]
        commands = isinstance(error, DatabaseError) and commands_for(error)
        if not commands:
            if lacks_something(error) or not isinstance(error, _AWAY):
                raise
            raise CommandError(f"the database does not answer: {reason}") from error
        raise CommandError(
            f"the database lacks migrations ({reason}); run {commands} first"
        ) from error
