"""Users as workers name them, by primary key, and as people do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import Error

from mcp_django.auth.interface import owner_of


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
    users = get_user_model()._default_manager
    try:
        found = users.in_bulk([owner for owner in owners if owner])
    except (Error, OverflowError, ValueError, ValidationError):
        # The database is away, or they are of another user model.
        return {}
    return {str(pk): user.get_username() for pk, user in found.items()}


def is_primary_key(text: str) -> bool:
    """Say whether a text can be the primary key of a user."""
    field = get_user_model()._meta.pk
    try:
        field.clean(text, None)
    except (ValidationError, ValueError):
        return False
    return True
