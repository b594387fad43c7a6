"""What to say when the database is not as the installed apps need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.management.base import CommandError
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    ProgrammingError,
    connections,
)
from django.db.migrations.executor import MigrationExecutor

_MISSING: Final = re.compile(
    r"no such (table|column)|has no column|unknown column|ORA-00904|ORA-00942",
    re.IGNORECASE,
)
"""What databases say of a missing table or column; PostgreSQL has a class for it."""


def lacks_migrations(error: DatabaseError) -> bool:
    """Say whether an error came of migrations that have not been run.

    Slow, so that it is asked only once something has failed.
    """
    is_missing = isinstance(error, ProgrammingError) or _MISSING.search(str(error))
    return bool(is_missing) and any(_is_behind(alias) for alias in connections)


def _is_behind(alias: str) -> bool:
    """Say whether a database that is migrated at all has migrations to run."""
    try:
        executor = MigrationExecutor(connections[alias])
        if alias != DEFAULT_DB_ALIAS and not executor.loader.applied_migrations:
            return False  # It belongs to somebody else.
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Exception:  # It is away, or somebody's migrations cannot be read.
        return False


@contextmanager
def needing_migrations() -> Iterator[None]:
    """In a command, say in place of a traceback that migrations have to be run.

    Raises:
        CommandError: The block needs what the database does not have yet.
    """
    try:
        yield
    except DatabaseError as error:
        if not lacks_migrations(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise CommandError(
            f"the database lacks migrations ({reason}); run migrate first"
        ) from error
