"""Users as workers name them, by primary key, and as people do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db import Error

from mcp_django.auth.interface import owner_of
from mcp_django.operations.rows import key_of, rows_named


def owner_of_saved(user: Any) -> str:
    """Give what the connections of a user are known by.

    Raises:
        ValueError: The user is not saved.
    """
    owner = owner_of(user)
    if not owner:
        raise ValueError("user= must be saved; clients without a user share none")
    return owner


def names_of(owners: Collection[str]) -> dict[str, str]:
    """Give the names by which users log in, as far as the database says them.

    Args:
        owners: What workers name users by; "" is no user.
    """
    try:
        found = rows_named(get_user_model(), owners)
    except Error:
        return {}
    return {owner: user.get_username() for owner, user in found.items()}


def is_primary_key(text: str) -> bool:
    """Say whether a text can be the primary key of a user."""
    return key_of(get_user_model(), text) is not None
