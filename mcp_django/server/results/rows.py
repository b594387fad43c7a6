"""Rows of the database as results: querysets, managers and instances of models.

The file of a row is written as its URL, as Django's REST framework does; an empty one
as "", which is what its column has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Manager, Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.db.models.query import RawQuerySet
from pydantic import BaseModel
from pydantic_core import core_schema

_SERIES = (QuerySet, RawQuerySet)
_ROWS = (Model, Manager, FieldFile, *_SERIES)
_OF_NAMES = ("dataclass", "typed-dict")


def is_row(value: object) -> bool:
    """Say whether a value comes from the database, or may ask it when it is read."""
    # Such as a generator, or what `QuerySet.iterator` gives.
    return isinstance(value, _ROWS) or hasattr(type(value), "__next__")


def has_rows(value: Any) -> bool:
    """Say whether there is such a value in lists, mappings, dataclasses and models."""
    if isinstance(value, list | tuple | set | frozenset):
        return any(has_rows(item) for item in value)
    if isinstance(value, Mapping):
        return any(has_rows(item) for item in value.values())
    if (members := _members_of(value)) is not None:
        return has_rows(members)
    return is_row(value)


def _members_of(value: Any) -> dict[str, Any] | None:
    """Give the values in a dataclass, or model of pydantic's; None for others."""
    if isinstance(value, BaseModel):
        return vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return None


def taken(value: Any) -> Any:
    """Read the rows in a value, in a thread, for pydantic to take their attributes.

    Querysets and managers become lists, instances of models stand-ins with the same
    attributes, dataclasses with rows in them mappings.
    """
    if isinstance(value, Manager):
        value = value.all()
    elif hasattr(type(value), "__next__"):
        value = list(value)
    if isinstance(value, (*_SERIES, list, tuple, set, frozenset)):
        return [taken(item) for item in value]
    if isinstance(value, Mapping):
        return {key: taken(item) for key, item in value.items()}
    if isinstance(value, FieldFile):
        return _url_of(value)
    if isinstance(value, Model):
        return Row(value)
    members = _members_of(value)
    return taken(members) if members is not None and has_rows(members) else value


def _url_of(file: FieldFile) -> str:
    """Say where the file of a row is; its name, if the storage has no URLs."""
    if not file:
        return ""
    try:
        return str(file.url)
    except (NotImplementedError, ValueError):
        return str(file.name)


def has_stand_ins(value: Any) -> bool:
    """Say whether `taken` has put stand-ins for rows into a value."""
    if isinstance(value, list):
        return any(has_stand_ins(item) for item in value)
    if isinstance(value, dict):
        return any(has_stand_ins(item) for item in value.values())
    return isinstance(value, Row)


class Row:
    """Stands for an instance of a model; what it is related to is read likewise.

    It has no attributes of its own that a model could have.
    """

    __slots__ = ("_row_instance",)

    def __init__(self, instance: Model) -> None:
        self._row_instance = instance

    def __getattr__(self, name: str) -> Any:
        try:
            return taken(getattr(self._row_instance, name))
        except ObjectDoesNotExist:
            return None  # of a relation to one that is not there


def kind_of(value: object) -> type[Any]:
    """Give the type of a value; of a stand-in, that of the row."""
    return type(value._row_instance) if isinstance(value, Row) else type(value)


def taking_rows(schema: Any) -> Any:
    """Let dataclasses and `TypedDict`s be made of rows as well.

    Pydantic reads attributes for its own models only.

    Args:
        schema: A core schema; left as it is.
    """
    if isinstance(schema, list):
        return [taking_rows(item) for item in schema]
    if isinstance(schema, tuple):
        return tuple(taking_rows(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    copied = {key: taking_rows(item) for key, item in schema.items()}
    if schema.get("type") not in _OF_NAMES:
        return copied
    reference = copied.pop("ref", None)
    return core_schema.no_info_before_validator_function(
        _attributes(_names_of(schema)), copied, ref=reference
    )


def _names_of(schema: Mapping[str, Any]) -> list[str]:
    fields = schema["fields"]
    return list(fields)  # names of a dataclass, keys of a typed dictionary


def _attributes(names: list[str]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, Row):
            return value
        missing = object()
        found = {name: getattr(value, name, missing) for name in names}
        return {name: item for name, item in found.items() if item is not missing}

    return read
