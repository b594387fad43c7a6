"""Arguments by the annotations of a function, validated by a model of pydantic."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NoReturn, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError, core_schema, from_json, to_json

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.server.arguments.accepted import EMPTY, Accepted
from mcp_django.server.arguments.argument_work import MAX_SMALL, ArgumentWork
from mcp_django.server.arguments.bounded_validation import BoundedValidator, Validated
from mcp_django.server.arguments.fitting import Doubt, Fitting
from mcp_django.server.arguments.invalid_arguments import check_rest, invalid, no_json
from mcp_django.server.schemas.argument_schemas import as_shown
from mcp_django.server.schemas.json_schema import (
    SchemaGenerator,
    explain,
    refused_pattern,
    union_members,
    why_unsuitable,
)
from mcp_django.server.schemas.lazy_examples import with_lazy_examples
from mcp_django.server.schemas.octets import reading_base64
from mcp_django.server.schemas.verbatim_schemas import TOO_MUCH_WORK

_MAX_FITTED_BYTES = 1_000_000
"""Bytes of arguments as JSON above which they have to be as the schema says."""


class ModelArguments:
    """Validates arguments by a pydantic model whose fields are the parameters.

    Arguments are validated as JSON text, because that is what they were: a `date` in
    a strict model is then given as a string, and nothing in the result is shared with
    the request, which may be run again.

    What fits the schema is taken at once, by the validator's strict mode. Anything
    else is made to fit first, if there is no doubt how.
    """

    def __init__(
        self, model: _Model, schema: dict[str, Any], accepted: Accepted, name: str
    ) -> None:
        self._validator = BoundedValidator(model.model)
        self._validate_small = self._validator.of_small
        self._work = ArgumentWork(model.model.__pydantic_core_schema__)
        self._fitting = Fitting(schema)
        self._renamed = [
            (key, parameter)
            for key, parameter in model.parameters.items()
            if key != parameter
        ]
        self._has_rest = accepted.rest is not EMPTY
        self._taken = accepted.taken
        self._expected = list(schema["properties"])
        self._name = name

    def read(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Turn arguments into keyword arguments, as `Signature.arguments` says."""
        try:
            values, rest = self._validated({} if given is None else given)
        except TooMuchWork:
            raise invalid(self._name, TOO_MUCH_WORK) from None
        except RecursionError as error:
            if not _is_of_expression(error):
                raise
            raise invalid(self._name, "nested too deeply") from None
        except PydanticSerializationError as error:
            raise invalid(self._name, no_json(error)) from None
        for key, parameter in self._renamed:
            values[parameter] = values.pop(key)
        if self._has_rest and rest:
            check_rest(rest, self._taken, self._name)
            values.update(rest)
        return values

    def _validated(self, given: Mapping[str, Any]) -> Validated:
        text = to_json(given, fallback=dict)
        if len(text) > MAX_SMALL:
            self._work.check(given, text)
        if self._fitting.may_be_needed and self._fitting.is_needed_for(text):
            return self._fitted(text)
        try:
            if len(text) <= MAX_SMALL and self._validate_small is not None:
                # On the hot path.
                instance = self._validate_small(text, strict=True)
                return instance.__dict__, instance.__pydantic_extra__
            return self._validator.validate(text, strict=True)
        except ValidationError as error:
            if len(text) > _MAX_FITTED_BYTES:
                self._refuse(error, given)
        return self._fitted(text)

    def _fitted(self, text: bytes) -> Validated:
        """Make values of what is not quite as the schema says.

        Raises:
            InvalidArguments: There is no telling what is meant.
        """
        try:
            given, doubts = self._fitting.fit(from_json(text))
        except ValueError as error:  # nested too deeply
            raise invalid(self._name, str(error)) from None
        if doubts and len(text) > MAX_SMALL:
            self._refuse(None, given, doubts)
        try:
            validated = self._validator.validate(to_json(given))
        except ValidationError as error:
            self._refuse(error, given, doubts)
        if doubts:
            self._refuse(None, given, doubts)
        return validated

    def _refuse(
        self, wrong: ValidationError | None, given: Any, doubts: Sequence[Doubt] = ()
    ) -> NoReturn:
        problems = explain(wrong, given, doubts=doubts, expected=self._expected)
        raise invalid(self._name, problems) from None


class _ArgumentsModel(BaseModel):
    """What the models of arguments have in common.

    Unknown names are refused in dataclasses and `TypedDict`s below as well, which take
    over this configuration where they have none of their own; so what `**kwargs` takes
    is said in the core schema, which they do not take over.
    """

    model_config = ConfigDict(
        extra="forbid",
        protected_namespaces=(),
        val_json_bytes="base64",
        ser_json_bytes="base64",
        allow_inf_nan=False,
    )

    rest_annotation: ClassVar[Any] = EMPTY

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        model = cast(core_schema.ModelSchema, handler.resolve_ref_schema(schema))
        fields = cast(core_schema.ModelFieldsSchema, model["schema"])
        if cls.rest_annotation is not EMPTY:
            fields["extra_behavior"] = "allow"
            fields["extras_schema"] = handler.generate_schema(cls.rest_annotation)
        model["schema"] = as_shown(fields, handler.resolve_ref_schema)
        return schema


@dataclass(frozen=True, slots=True)
class _Model:
    """A pydantic model for arguments; `parameters` has the parameter of each field."""

    model: type[BaseModel]
    parameters: dict[str, str]

    @classmethod
    def of(cls, named: Mapping[str, tuple[Any, Any]], rest: Any) -> _Model:
        parameters: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for parameter, (annotation, default) in named.items():
            key = _field_name(parameter, {*parameters, *named} - {parameter})
            parameters[key] = parameter
            annotation = reading_base64(annotation)
            if default is None and not _allows_none(annotation):
                # `limit: int = None`: what the schema shows must be accepted.
                annotation = annotation | None
            if key != parameter:
                annotation = _aliased(annotation, parameter)
            default = Field() if default is EMPTY else default
            fields[key] = with_lazy_examples(annotation, default)
        base = _ArgumentsModel
        if rest is not EMPTY:

            class Rest(_ArgumentsModel):
                rest_annotation = rest

            base = Rest
        return cls(create_model("Arguments", __base__=base, **fields), parameters)

    def schema(self) -> dict[str, Any]:
        return self.model.model_json_schema(schema_generator=SchemaGenerator)


def _aliased(annotation: Any, alias: str) -> Any:
    """Add an alias to an annotation, before any that the developer gave it."""
    metadata: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
    return operator.getitem(Annotated, (annotation, Field(alias=alias), *metadata))


def modelled(accepted: Accepted, name: str) -> tuple[_Model, dict[str, Any]]:
    """Build the model and its schema, or say which parameter is in the way."""
    try:
        model = _Model.of(accepted.named, accepted.rest)
        return model, model.schema()
    except Exception as error:
        culprit, reason = "'**kwargs'", error
        for parameter, declared in accepted.named.items():
            try:
                _Model.of({parameter: declared}, EMPTY).schema()
            except Exception as its_error:
                culprit, reason = repr(parameter), its_error
                break
        if refused := refused_pattern(reason):
            raise ValueError(f"parameter {culprit} of {name!r} {refused}") from error
        raise ValueError(
            f"parameter {culprit} of {name!r} has a type that cannot come from JSON: "
            f"{why_unsuitable(reason)}; use JSON types, dataclasses or pydantic models"
        ) from error


def _field_name(parameter: str, others: Collection[str]) -> str:
    """Choose a name that pydantic takes for a field, such as not "_id" nor "copy"."""
    name = parameter
    if name.startswith("_") or hasattr(_ArgumentsModel, name):
        name = f"argument_{name.strip('_')}"
        while name in others:
            name += "_"
    return name


def _allows_none(annotation: Any) -> bool:
    return any(
        member in (None, type(None), Any, object)
        for member in union_members(annotation)
    )


def _is_of_expression(error: RecursionError) -> bool:
    """Say whether a regular expression was too deep, and no code of the site fails."""
    return any(
        frame.f_globals.get("__name__", "").startswith("re.")
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
