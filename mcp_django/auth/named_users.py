"""Users by the names that they log in with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model


def user_named(name: str) -> Any:
    """Find a user by the name to log in with; None if there is none.

    Raises:
        django.db.Error: The database is away, or its migrations have not run.
    """
    users = get_user_model()
    if "\0" in name:  # which PostgreSQL takes for a mistake
        return None
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist:
        return None
