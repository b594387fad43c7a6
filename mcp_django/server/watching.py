"""Watching models: a row is saved or deleted, and clients that subscribed are told."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.server.features import Resource
from mcp_django.server.uris.uri_expressions import Value

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = FaultLog("mcp_django.server")

Source: TypeAlias = str | Callable[[Any], Any]
"""Where the value of a variable comes from: an attribute of an instance, or a function
that is given the instance."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Watch:
    """A model, and the resource that its rows are read as.

    Its maker keeps it, for signals do not.

    Attributes:
        server: Whose clients are told.
        model: The model; its proxies and children count as well.
        resource: The resource, fixed or a template.
        getters: Variable of the template -> function from instance to value.
    """

    server: Server
    model: type[Model]
    resource: Resource
    getters: Mapping[str, Callable[[Any], Any]]

    @classmethod
    def of(
        cls,
        server: Server,
        model: type[Model],
        resource: Resource,
        sources: Mapping[str, Source],
    ) -> Watch:
        """Begin to watch a model.

        Args:
            server: Whose clients are told.
            model: The model.
            resource: What its rows are read as.
            sources: Variable -> where its value comes from; the attribute of the same
                name where there is none.

        Raises:
            ValueError: The model is none, has not such an attribute, or the resource
                has not such a variable.
        """
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise ValueError(f"watch needs a model class, not {model!r}")
        variables = resource.template.variables if resource.template else ()
        if unknown := sorted(sources.keys() - set(variables)):
            raise ValueError(
                f"{resource.uri!r} has no variables {unknown!r}; it has "
                f"{list(variables)!r}"
            )
        getters = {
            variable: _getter(model, variable, sources.get(variable, variable))
            for variable in variables
        }
        watch = cls(server, model, resource, getters)
        for kind in (model, *_subclasses(model)):
            # Never without a sender: a listener to every model's deletions would make
            # Django fetch all rows before it deletes them, whatever they are.
            post_save.connect(watch.tell, sender=kind)
            post_delete.connect(watch.tell_gone, sender=kind)
        return watch

    def tell(
        self, instance: Model, using: str, raw: bool = False, **kwargs: object
    ) -> None:
        """Tell clients that a row changed, once the transaction is committed.

        The receiver of Django's signals. That a notice cannot be made is logged, and
        does not keep the row from being saved.
        """
        # Fixtures are loaded: what this row refers to may not be there yet.
        if not raw:
            self._tell(instance, using, is_gone=False)

    def tell_gone(self, instance: Model, using: str, **kwargs: object) -> None:
        """Tell clients that a row is deleted, as `tell` does."""
        # What is not of one row is still there.
        self._tell(instance, using, is_gone=self.resource.template is not None)

    def _tell(self, instance: Model, using: str, *, is_gone: bool) -> None:
        try:
            uri = self._uri_of(instance)
        except Exception:
            logger.exception(
                "cannot tell which %r changed; mend what makes its URI",
                self.resource.uri,
                of=self.resource.uri,
            )
            return
        if self.resource.match(uri) is not None:
            self.server.resource_updated(uri, using=using, is_gone=is_gone)

    def _uri_of(self, instance: Model) -> str:
        template = self.resource.template
        if template is None:
            return self.resource.uri
        return template.expand(
            {name: _written(get(instance)) for name, get in self.getters.items()}
        )


def _getter(model: type[Model], variable: str, source: Source) -> Callable[[Any], Any]:
    if inspect.iscoroutinefunction(source):
        raise ValueError(
            f"the source of variable {variable!r} is async def, and rows are saved in "
            "code that is not; give a plain function"
        )
    if callable(source):
        return source
    if not isinstance(source, str):
        raise ValueError(
            f"the source of variable {variable!r} is {source!r}; name an attribute of "
            f"{model.__name__}, or give a function that takes a row"
        )
    if not _may_have(model, source):
        raise ValueError(
            f"{model.__name__} has no attribute {source!r} for the variable "
            f"{variable!r}; name another one, or a function, as in {variable}='pk'"
        )
    return attrgetter(source)


def _may_have(model: type[Model], path: str) -> bool:
    """Say whether rows may have an attribute; False if it is known that they do not.

    Args:
        model: Of the rows.
        path: Such as "owner.name".
    """
    step, _, rest = path.partition(".")
    if not hasattr(model, step):
        return False
    if not rest:
        return True
    try:
        field = model._meta.get_field(step)
    except FieldDoesNotExist:
        return True  # whatever a property gives
    related = getattr(field, "related_model", None)
    is_of_one = field.many_to_one or field.one_to_one
    # "owner_id" names the field as well, and not the row that it refers to.
    if not (is_of_one and step == field.name and isinstance(related, type)):
        return True
    return _may_have(related, rest)


def _subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _written(value: Any) -> Value:
    """Write the value of a variable as templates take it; None is left out."""
    match value:
        case None:
            return None
        case str():
            return value
        case Enum():
            return _written(value.value)
        case Mapping():
            return {str(key): _text(item) for key, item in value.items()}
        case Sequence():
            return [_text(item) for item in value]
        case Awaitable():
            raise TypeError(
                f"a source gave {type(value).__name__!r}, which is no value"
            )
        case _:
            return str(value)


def _text(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)
