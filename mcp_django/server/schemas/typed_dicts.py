"""`typing.TypedDict` for pydantic, which below Python 3.12 does not take it.

It wants that of typing_extensions, which remembers its bases, for generic classes. The
plain ones that handlers are annotated with can be told anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import typing_extensions


def with_portable_typed_dicts(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Give annotations back with every `typing.TypedDict` in them made anew.

    Args:
        annotations: By name, resolved as `get_type_hints` gives them.
    """
    if sys.version_info >= (3, 12):
        return dict(annotations)
    told: dict[Any, Any] = {}
    return {name: _portable(hint, told) for name, hint in annotations.items()}


def _portable(annotation: Any, told: dict[Any, Any]) -> Any:
    if is_typeddict(annotation):
        return _told_anew(annotation, told)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if not arguments or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_portable(arguments[0], told), *annotation.__metadata__)]
    portable = tuple(_portable(argument, told) for argument in arguments)
    if all(new is old for new, old in zip(portable, arguments, strict=True)):
        return annotation
    if origin in (Union, UnionType):
        return Union[portable]  # noqa: UP007  # made of a tuple
    if origin in (Required, NotRequired):
        return origin[portable[0]]
    return origin[portable]


def _told_anew(typed_dict: Any, told: dict[Any, Any]) -> Any:
    """Make a class anew, once; its fields may contain itself."""
    if type(typed_dict).__module__ != "typing":
        return typed_dict
    if typed_dict in told:
        return told[typed_dict]
    hints = get_type_hints(typed_dict, include_extras=True)
    wrappers: dict[str, Any] = {
        name: Required if name in typed_dict.__required_keys__ else NotRequired
        for name in hints
    }
    new: Any = typing_extensions.TypedDict(  # type: ignore[misc]  # made at run time
        typed_dict.__name__, {name: wrappers[name][Any] for name in hints}
    )
    new.__doc__ = typed_dict.__doc__
    new.__module__ = typed_dict.__module__
    told[typed_dict] = new
    for name, hint in hints.items():
        while get_origin(hint) in (Required, NotRequired):
            [hint] = get_args(hint)
        new.__annotations__[name] = wrappers[name][_portable(hint, told)]
    return new
