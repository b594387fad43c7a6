"""What a handler function accepts, read from its parameters and annotations."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from mcp_django.server.context import Context, SyncContext
from mcp_django.server.functions import innermost_of
from mcp_django.server.schemas.json_schema import union_members
from mcp_django.server.schemas.typed_dicts import with_portable_typed_dicts

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Accepted:
    """The parameters of a function, sorted by what fills them.

    Attributes:
        named: Annotation and default (or `EMPTY`) by name, for the client to fill.
        rest: Annotation of `**kwargs`; `EMPTY` if the function has none.
        taken: Names that may not also arrive in `**kwargs`, because something else
            fills them, such as `self` or the context.
    """

    is_async: bool
    named: dict[str, tuple[Any, Any]]
    rest: Any
    context: str | None
    returns: Any
    taken: frozenset[str]


def accepted_by(function: Callable[..., Any], name: str) -> Accepted:
    """Sort the parameters of a handler.

    Args:
        function: The handler.
        name: What the feature is called, for messages.

    Raises:
        ValueError: The function cannot be a handler.
    """
    is_async = _is_async(function, name)
    innermost = innermost_of(function)
    try:
        signature = inspect.signature(function)
        hints = with_portable_typed_dicts(
            get_type_hints(innermost, include_extras=True)
        )
    except Exception as error:  # of what annotations do when they are looked at
        raise _unreadable(name, error) from error
    named: dict[str, tuple[Any, Any]] = {}
    contexts: dict[str, Any] = {}
    rest: Any = EMPTY
    for parameter in signature.parameters.values():
        annotation = hints.get(parameter.name, parameter.annotation)
        if annotation is EMPTY:
            _check_bound(parameter, name)
            annotation = Any
        if parameter.kind is parameter.VAR_KEYWORD:
            rest = annotation
        elif _is_context(annotation, name):
            contexts[parameter.name] = annotation
        else:
            named[parameter.name] = (annotation, parameter.default)
        _check_kind(parameter, name)
    own = inspect.signature(getattr(innermost, "__func__", innermost)).parameters
    return Accepted(
        is_async=is_async,
        named=named,
        rest=rest,
        context=_context_parameter(contexts, is_async=is_async, name=name),
        returns=hints.get("return", signature.return_annotation),
        taken=frozenset(
            parameter.name
            for parameter in (*own.values(), *signature.parameters.values())
            if parameter.kind is not parameter.VAR_KEYWORD
        ),
    )


def _unreadable(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"cannot read the annotations of {name!r}: {error}; import what they name "
        "at the top of the module, outside `if TYPE_CHECKING`"
    )


def _is_async(function: Any, name: str) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    # What runs first when it is called; for a plain function that is itself.
    called = (function, type(function).__call__)
    for candidate in called:
        if inspect.isgeneratorfunction(candidate) or inspect.isasyncgenfunction(
            candidate
        ):
            raise ValueError(
                f"the handler of {name!r} is a generator; return a list instead"
            )
    return any(inspect.iscoroutinefunction(candidate) for candidate in called)


def _check_kind(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ValueError(
            f"parameter {parameter.name!r} of {name!r} is positional-only, but "
            "arguments arrive by name; remove the '/' from the signature"
        )
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise ValueError(
            f"{name!r} takes *{parameter.name}, but arguments arrive by name; "
            f"take one parameter such as '{parameter.name}: list[str]' instead"
        )


def _check_bound(parameter: inspect.Parameter, name: str) -> None:
    if parameter.name in ("self", "cls") and parameter.default is EMPTY:
        raise ValueError(
            f"{name!r} takes {parameter.name!r}, which no client can give; register "
            "the bound method of an instance, outside of the class body"
        )


def _is_context(annotation: Any, name: str) -> bool:
    try:
        members = set(_classes(annotation))
    except Exception as error:  # of an alias, which is read when it is looked at
        raise _unreadable(name, error) from error
    return not members.isdisjoint((Context, SyncContext))


def _classes(annotation: Any) -> Iterator[type]:
    return (item for item in union_members(annotation) if isinstance(item, type))


def _context_parameter(
    contexts: Mapping[str, Any], *, is_async: bool, name: str
) -> str | None:
    if not contexts:
        return None
    if len(contexts) > 1:
        raise ValueError(
            f"{name!r} has several parameters for the context, "
            f"{', '.join(contexts)}; keep one of them"
        )
    [(parameter, annotation)] = contexts.items()
    wanted, other = (Context, SyncContext) if is_async else (SyncContext, Context)
    if wanted not in _classes(annotation):
        kind, other_kind = ("async def", "def") if is_async else ("def", "async def")
        raise ValueError(
            f"parameter {parameter!r} of {name!r} is annotated {other.__name__}, which "
            f"is for {other_kind!r}, and {name!r} is {kind!r}; annotate it "
            f"{wanted.__name__}, or write {name!r} as {other_kind!r}"
        )
    return parameter
