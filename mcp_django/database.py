"""What to say when the database is not as the installed apps need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor


def lacks_migrations() -> bool:
    """Say whether there are migrations that have not been run.

    Slow, so that it is asked only once something has failed.
    """
    for alias in connections:
        try:
            executor = MigrationExecutor(connections[alias])
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return True
        except Exception:  # It is away, or somebody's migrations cannot be read.
            continue
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
        if not lacks_migrations():
            raise
        reason = str(error).strip().partition("\n")[0]
        raise CommandError(
            f"the database lacks migrations ({reason}); run migrate first"
        ) from error
