"""Permissions: who may see and use a feature, and which objects of it.

What is given as `permission=` is read once, when the feature is registered. Names of
Django permissions, and functions of the context alone, are asked for lists as well;
functions that take the feature's arguments are asked when there are arguments. Whatever
goes wrong means no.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import anyio.lowlevel

from mcp_django.bulkheads.strays import ends_task
from mcp_django.protocol import modern
from mcp_django.server.asking import questions_of
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.decisions import settle, truth_of
from mcp_django.server.django_errors import Refusal
from mcp_django.server.errors import ResourceNotFound
from mcp_django.server.requests import Request
from mcp_django.server.signatures import Signature

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = logging.getLogger("mcp_django.server")

Permission: TypeAlias = str | Callable[..., Any] | Sequence[str | Callable[..., Any]]
"""A Django permission such as "shop.change_order", a function that is given the
context and may take arguments of the feature by name, or several, which all have to
agree."""

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
    """

    what: str | Callable[..., Any]
    takes: Mapping[str, Any] | None
    is_async: bool
    context: type[Context | SyncContext]
    _logged: set[type[BaseException]] = field(default_factory=set, repr=False)

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
        """Say no for what was raised; what is no plain refusal is logged once.

        Raises:
            BaseException: The client has to be asked first, and can be.
        """
        asks = questions_of(error) is not None
        if asks and (not request.is_modern or request.method in modern.MAY_ASK):
            raise error
        refusal = Refusal.of(error)
        is_refusal = isinstance(error, ResourceNotFound) or (
            refusal is not None and refusal.status in _REFUSING
        )
        if (is_refusal and self.needs_values) or type(error) in self._logged:
            return False
        self._logged.add(type(error))
        if asks:
            reason = f"asks the client, which {request.method} cannot"
        else:
            reason = f"raised {type(error).__name__}"
        logger.log(
            logging.WARNING if is_refusal else logging.ERROR,
            "permission %s %s; that means no, and is not logged again",
            self,
            reason,
            exc_info=None if is_refusal or asks else error,
        )
        return False

    def __str__(self) -> str:
        return self.what if isinstance(self.what, str) else path_of(self.what)


@dataclass(frozen=True, slots=True, eq=False)
class Permissions:
    """What a feature asks of its users.

    Attributes:
        general: What decides who sees the feature: names first, then functions.
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
        """Who may see and use it; None for everybody."""

    @property
    def has_lazy_text(self) -> bool:
        """Whether what a list shows of it is translated for each request."""


AnyFeature = TypeVar("AnyFeature", bound=Feature)


# Reading ------------------------------------------------------------------------


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
        return Condition(str.__str__(item), {}, False, SyncContext)
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
    return Condition(item, takes, is_async, _context_for(first, is_async=is_async))


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


# Asking -------------------------------------------------------------------------


async def permitted(
    server: Server, request: Request, features: Iterable[AnyFeature]
) -> Sequence[AnyFeature]:
    """Keep the features that the user of a request may see and use.

    What only decides about one object is not asked.
    """
    features = list(features)
    if all(feature.permission is None for feature in features):
        return features
    needed = [
        () if feature.permission is None else feature.permission.general
        for feature in features
    ]
    hold = await _Decisions(server, request).hold(needed)
    return [feature for feature, holds in zip(features, hold, strict=True) if holds]


async def is_permitted(server: Server, request: Request, feature: Feature) -> bool:
    """Say whether the user of a request may see and use a feature."""
    if feature.permission is None:
        return True
    [holds] = await _Decisions(server, request).hold([feature.permission.general])
    return holds


async def is_permitted_for(
    server: Server, request: Request, feature: Feature, values: Mapping[str, Any]
) -> bool:
    """Say whether the user of a request may use a feature with these arguments.

    Args:
        server: Where the feature is.
        request: Who asks; what decides about the feature has been asked already.
        feature: The feature.
        values: Arguments for its handler, checked already.
    """
    permission = feature.permission
    if permission is None or not permission.particular:
        return True
    return await hold(server, request, permission.particular, values)


async def hold(
    server: Server,
    request: Request,
    conditions: Sequence[Condition],
    values: Mapping[str, Any],
) -> bool:
    """Say whether conditions are true of the user of a request and some arguments."""
    [holds] = await _Decisions(server, request, values).hold([conditions])
    return holds


class _Decisions:
    """What is decided for one request; each condition is asked once.

    Args:
        server: Where the features are.
        request: Who asks.
        values: Arguments for the handler, checked already.
    """

    def __init__(
        self, server: Server, request: Request, values: Mapping[str, Any] | None = None
    ) -> None:
        self._server = server
        self._request = request
        self._values = values or {}
        # Key of a condition -> yes, no, or an awaitable of what means it.
        self._found: dict[str | int, Any] = {}

    async def hold(self, needed: Sequence[Sequence[Condition]]) -> list[bool]:
        """Say for each series of conditions whether all of them are true."""
        if any(not c.is_async for conditions in needed for c in conditions):
            token = anyio.lowlevel.current_token()
            contexts: dict[Any, Context | SyncContext] = {
                Context: Context(self._server, self._request),
                SyncContext: SyncContext(self._server, self._request, token),
            }
            await self._request.ask_in_thread(
                lambda: self._ask_in_thread(needed, contexts)
            )
        for condition in (c for conditions in needed for c in conditions):
            found = self._found.get(condition.key)
            if inspect.isawaitable(found):
                self._found[condition.key] = await self._settle(condition, found)
        return [await self._hold_all(conditions) for conditions in needed]

    def _ask_in_thread(
        self,
        needed: Sequence[Sequence[Condition]],
        contexts: Mapping[Any, Context | SyncContext],
    ) -> None:
        for conditions in needed:
            for condition in conditions:
                if condition.is_async:
                    continue
                if condition.key not in self._found:
                    context = contexts[condition.context]
                    self._found[condition.key] = self._ask(condition, context)
                if self._found[condition.key] is False:
                    break

    def _ask(self, condition: Condition, context: Context | SyncContext) -> Any:
        try:
            found = condition.ask(context, self._values)
            return found if inspect.isawaitable(found) else truth_of(found)
        except BaseException as error:  # in a thread, where nobody throws anything
            return condition.refuse(self._request, error)

    async def _hold_all(self, conditions: Sequence[Condition]) -> bool:
        for condition in conditions:
            if condition.is_async and condition.key not in self._found:
                asking = self._ask_in_loop(condition)
                self._found[condition.key] = await self._settle(condition, asking)
            if not self._found.get(condition.key, False):
                return False
        return True

    async def _ask_in_loop(self, condition: Condition) -> Any:
        return condition.ask(Context(self._server, self._request), self._values)

    async def _settle(self, condition: Condition, found: Awaitable[Any]) -> bool:
        try:
            return truth_of(await settle(found))
        except BaseException as error:
            if ends_task(error):
                raise
            return condition.refuse(self._request, error)
