"""`typing.TypedDict` for pydantic, which below Python 3.12 does not take it.

It wants that of typing_extensions, which remembers its bases, for generic classes. The
plain ones that handlers are annotated with can be told anew.
"""

from __future__ import annotations

import sys
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


def with_portable_typed_dicts(annotation: Any) -> Any:
    """Give an annotation back with every `typing.TypedDict` in it made anew.

    Args:
        annotation: Resolved, as `get_type_hints` gives it.
    """
    if sys.version_info >= (3, 12):
        return annotation
    return _portable(annotation)


def _portable(annotation: Any) -> Any:
    if is_typeddict(annotation):
        return _told_anew(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if not arguments or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_portable(arguments[0]), *annotation.__metadata__)]
    portable = tuple(_portable(argument) for argument in arguments)
    if all(new is old for new, old in zip(portable, arguments, strict=True)):
        return annotation
    if origin in (Union, UnionType):
        return Union[portable]  # noqa: UP007  # made of a tuple
    if origin in (Required, NotRequired):
        return origin[portable[0]]
    return origin[portable]


def _told_anew(typed_dict: Any) -> Any:
    if type(typed_dict).__module__ != "typing":
        return typed_dict
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(typed_dict, include_extras=True).items():
        while get_origin(hint) in (Required, NotRequired):
            [hint] = get_args(hint)
        is_required = name in typed_dict.__required_keys__
        wrapper: Any = Required if is_required else NotRequired
        fields[name] = wrapper[_portable(hint)]
    told: Any = typing_extensions.TypedDict(typed_dict.__name__, fields)  # type: ignore[misc]  # made at run time
    told.__doc__ = typed_dict.__doc__
    told.__module__ = typed_dict.__module__
    return told
