"""Rows that workers name by their primary keys, as texts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, ForeignKey, Model

M = TypeVar("M", bound=Model)


def rows_named(model: type[M], names: Collection[str]) -> dict[str, M]:
    """Find rows by their primary keys as texts.

    What cannot be a key names no row: it may be that of another model, or come from an
    address that was made by hand.

    Args:
        model: Whose rows.
        names: Any texts; "" names no row.
    """
    keys = [key for name in names if (key := key_of(model, name)) is not None]
    found = model._default_manager.in_bulk(keys) if keys else {}
    return {str(pk): row for pk, row in found.items()}


def key_of(model: type[Model], name: str) -> Any:
    """Read a primary key; None if a text can be none.

    Args:
        model: Whose key.
        name: Any text.
    """
    field: Field[Any, Any] = model._meta.pk
    while isinstance(field, ForeignKey):  # of a model that inherits another
        field = field.target_field
    if not name or "\0" in name:
        return None
    try:
        key = field.to_python(name)
        field.run_validators(key)  # such as that of numbers that the database takes
    except ValidationError:
        return None
    return key
