"""Permissions: which users may see and use a feature, and which objects of it.

What is given as `permission=` is read once, when the feature is registered. Names of
Django permissions, and functions of the context alone, are asked for lists as well;
functions that take the feature's arguments are asked when there are arguments. Whatever
goes wrong means no.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.conf import mcp_settings
from mcp_django.server.arguments.signatures import Signature
from mcp_django.server.asking import questions_of
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.django_errors import Refusal
from mcp_django.server.errors import ResourceNotFound
from mcp_django.server.requests import Request

logger = FaultLog("mcp_django.server")

Permission: TypeAlias = str | Callable[..., Any] | Sequence[str | Callable[..., Any]]
"""A Django permission such as "shop.change_order", a function that is given the
context and may take arguments of the feature by name, or several, which all have to
agree."""

A_FUNCTION: Final = "a permission of the site"
"""How clients are told of a function, of which they need not know more."""

_EMPTY: Final = inspect.Parameter.empty
_EXAMPLES: Final = (
    "a Django permission such as 'shop.change_order', a function that takes the "
    "context, or a list of these, which all have to agree"
)
_REFUSING: Final = (401, 403, 404)
"""HTTP statuses by which code of the site says that the user may not."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One thing that must be true.

    Attributes:
        what: Name of a Django permission, or a function.
        takes: Arguments of the feature that the function is given, and what they are
            where the call has none; None for all of them.
        is_async: Whether the function is called in the event loop, else in a thread.
        context: The context that it is given.
        service: Bounds how long a function may take, and knows whether it hangs; None
            for Django's permissions.
    """

    what: str | Callable[..., Any]
    takes: Mapping[str, Any] | None
    is_async: bool
    context: type[Context | SyncContext]
    service: Service | None

    @property
    def is_named(self) -> bool:
        """Whether it is a permission of Django's."""
        return isinstance(self.what, str)

    @property
    def key(self) -> str | int:
        """What is the same for the same permission of several features."""
        return self.what if isinstance(self.what, str) else id(self.what)

    @property
    def needs_values(self) -> bool:
        """Whether it decides about one object, and not about the feature."""
        return self.takes is None or bool(self.takes)

    def ask(self, context: Context | SyncContext, values: Mapping[str, Any]) -> Any:
        """Ask Django or the developer's function; an awaitable may come of it."""
        if isinstance(self.what, str):
            return context.user.has_perm(self.what)  # type: ignore[union-attr]
        if self.takes is None:
            return self.what(context, **values)
        given = {**self.takes, **{n: values[n] for n in self.takes if n in values}}
        return self.what(context, **{n: v for n, v in given.items() if v is not _EMPTY})

    def refuse(self, request: Request, error: BaseException) -> bool:
        """Say no for what was raised; what is no plain refusal is logged.

        Raises:
            BaseException: The client has to be asked first, and can be.
        """
        asks = questions_of(error) is not None
        if asks and request.era.may_ask(request.method):
            raise error
        refusal = Refusal.of(error)
        is_refusal = isinstance(error, ResourceNotFound) or (
            refusal is not None and refusal.status in _REFUSING
        )
        if is_refusal and self.needs_values:
            return False
        if asks:
            reason = f"asks the client, which {request.method} cannot"
        else:
            reason = f"raised {type(error).__name__}"
        logger.log(
            logging.WARNING if is_refusal else logging.ERROR,
            "permission %s %s; that means no: have it return True or False",
            self,
            reason,
            exc_info=None if is_refusal or asks else error,
            of=(self.key, type(error)),
        )
        return False

    def __str__(self) -> str:
        return self.what if isinstance(self.what, str) else path_of(self.what)


@dataclass(frozen=True, slots=True, eq=False)
class Permissions:
    """What a feature asks of its users.

    Attributes:
        general: What decides which users see the feature: names first, then functions.
        particular: What decides about one object of it.
    """

    general: tuple[Condition, ...]
    particular: tuple[Condition, ...]

    @property
    def conditions(self) -> Iterator[Condition]:
        """All of them."""
        yield from self.general
        yield from self.particular

    @property
    def names(self) -> list[str]:
        """The Django permissions among them."""
        return [c.what for c in self.general if isinstance(c.what, str)]

    def __str__(self) -> str:
        return ", ".join(map(str, self.conditions))


class Feature(Protocol):
    """What is listed and may need permissions."""

    @property
    def permission(self) -> Permissions | None:
        """Which users may see and use it; None for every user."""

    @property
    def has_lazy_text(self) -> bool:
        """Whether what a list shows of it is translated for each request."""


AnyFeature = TypeVar("AnyFeature", bound=Feature)


def read_permission(
    permission: Permission | None,
    feature: str,
    signature: Signature,
    variables: Iterable[str] = (),
) -> Permissions | None:
    """Read what was given as `permission=`.

    Args:
        permission: What was given.
        feature: What it is for, for messages.
        signature: Of the feature's handler.
        variables: Arguments that the handler takes beside its named parameters.

    Returns:
        The permissions, None if none are needed.

    Raises:
        ValueError: It is no permission, or a function takes what it cannot be given.
    """
    if permission is None:
        return None
    several = isinstance(permission, Sequence) and not isinstance(
        permission, str | bytes | bytearray | memoryview | range
    )
    items: Sequence[Any] = permission if several else [permission]  # type: ignore[assignment]
    if not items:
        raise ValueError(
            f"permission={permission!r} of {feature} asks for nothing; leave it out if "
            f"everybody may use it, else give {_EXAMPLES}"
        )
    known = _values_of(signature, variables)
    conditions = [_read_condition(item, permission, feature, known) for item in items]
    conditions.sort(key=lambda condition: not isinstance(condition.what, str))
    return Permissions(
        general=tuple(c for c in conditions if not c.needs_values),
        particular=tuple(c for c in conditions if c.needs_values),
    )


def _read_condition(
    item: Any, permission: object, feature: str, known: Mapping[str, Any]
) -> Condition:
    if isinstance(item, str):
        # Of an enum, such as `TextChoices`, Django wants the plain text.
        return Condition(str.__str__(item), {}, False, SyncContext, None)
    if not callable(item) or inspect.isclass(item):
        given = f"permission={permission!r} of {feature}"
        culprit = "" if item is permission else f" has {item!r}, which"
        raise ValueError(f"{given}{culprit} is none; give {_EXAMPLES}")
    inner = _unwrapped(item)
    for called in (inner, type(inner).__call__):
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise ValueError(
                f"the permission {path_of(item)} of {feature} is a generator, which "
                "says neither yes nor no; return True or False"
            )
    takes, first = _read_parameters(item, feature, known)
    is_async = inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(
        type(inner).__call__
    )
    context = _context_for(first, is_async=is_async)
    return Condition(item, takes, is_async, context, _service_of(item))


def _read_parameters(
    function: Callable[..., Any], feature: str, known: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, inspect.Parameter | None]:
    """Say which of the known values a function takes, and what takes the context."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of C, which says nothing of itself
        return {}, None
    shown = f"the permission {path_of(function)} of {feature}"
    first = parameters[0] if parameters else None
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        raise ValueError(
            f"{shown} takes no context; its first parameter is given the context"
        )
    filled = function.keywords if isinstance(function, functools.partial) else {}
    takes: dict[str, Any] = {}
    for parameter in parameters[1:]:
        if parameter.name in filled or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            if first.kind is first.VAR_POSITIONAL:  # passes on whatever it is given
                continue
            return None, first
        if parameter.kind is parameter.POSITIONAL_ONLY or parameter.name not in known:
            raise ValueError(
                f"{shown} takes {parameter.name!r}; after the context it may take "
                f"arguments of the feature, by their names: {sorted(known)!r}"
            )
        takes[parameter.name] = known[parameter.name]
    return takes, first


def _values_of(signature: Signature, variables: Iterable[str]) -> dict[str, Any]:
    """Give the names of a handler's arguments, and their defaults or `_EMPTY`."""
    values: dict[str, Any] = dict.fromkeys(variables, _EMPTY)
    for parameter in inspect.signature(signature.function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            collected = [p.name for p in signature.parameters if p.name not in values]
            values |= dict.fromkeys(collected, _EMPTY)
        elif parameter.name != signature.context_parameter:
            values[parameter.name] = parameter.default
    return values


def _context_for(
    first: inspect.Parameter | None, *, is_async: bool
) -> type[Context | SyncContext]:
    """Choose the context that a function says it takes, else that of its kind."""
    if is_async:
        return Context
    annotation = None if first is None else first.annotation
    if isinstance(annotation, str):
        annotation = annotation.rpartition(".")[2]
    return Context if annotation in (Context, "Context") else SyncContext


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def path_of(function: Callable[..., Any]) -> str:
    """Give the dotted path of a function, or of what else can be called."""
    function = _unwrapped(function)
    named = function if hasattr(function, "__qualname__") else type(function)
    # What is made in C often has no module.
    return ".".join(
        filter(None, (getattr(named, "__module__", None), named.__qualname__))
    )


# Services ---------------------------------------------------------------------------


def _service_of(function: Callable[..., Any]) -> Service:
    """Give what bounds a function, the same for all features that it decides about."""
    try:
        service = _services.get(function)
    except TypeError:  # it cannot be remembered, and has one for each feature
        return _new_service(f"the permission {path_of(function)}", A_FUNCTION)
    if service is None:
        service = _new_service(f"the permission {path_of(function)}", A_FUNCTION)
        _services[function] = service
    return service


def _new_service(name: str, shown_as: str) -> Service:
    return service_of_site(
        name,
        "what needs it is refused",
        shown_as=shown_as,
        timeout=lambda: mcp_settings.PERMISSION_TIMEOUT,
        logger=logger,
    )


_services: WeakKeyDictionary[Callable[..., Any], Service] = WeakKeyDictionary()


@kept
def service_of_django() -> Service:
    """Give what bounds Django's permissions, which are asked together."""
    return _new_service(
        "whoever knows of Django's permissions", "the site's table of permissions"
    )
