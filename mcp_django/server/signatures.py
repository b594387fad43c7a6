"""A handler function, read once: what it takes, as JSON Schema and as Python values.

`read_signature` is called when a feature is registered, `Signature.arguments` for
every request.
"""

from __future__ import annotations

import inspect
import operator
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    ClassVar,
    NoReturn,
    cast,
    get_args,
    get_origin,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic_core import (
    PydanticSerializationError,
    core_schema,
    from_json,
    to_json,
)

from mcp_django.exceptions import ToolError
from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.server.accepted import EMPTY, Accepted, accepted_by, docstring_of
from mcp_django.server.argument_schemas import as_shown
from mcp_django.server.argument_work import MAX_SMALL, ArgumentWork
from mcp_django.server.bounded_validation import BoundedValidator, Validated
from mcp_django.server.docstrings import Docstring
from mcp_django.server.fitting import Doubt, Fitting
from mcp_django.server.lazy_examples import with_lazy_examples
from mcp_django.server.octets import reading_base64
from mcp_django.server.references import without_references
from mcp_django.server.schemas import (
    MISSING,
    SchemaGenerator,
    explain,
    refused_pattern,
    shown_name,
    unexpected,
    union_members,
    why_unsuitable,
)
from mcp_django.server.verbatim_schemas import TOO_MUCH_WORK, VerbatimSchema

_MAX_FITTED_BYTES = 1_000_000
"""Bytes of arguments as JSON above which they have to be as the schema says."""


class InvalidArguments(ToolError):
    """The arguments of a call do not fit; the text tells the model how to do better.

    Spec: 2025-11-25 server/tools, "Error Handling", "Input validation errors".
    """


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that a client may give, under its name on the wire."""

    name: str
    required: bool
    description: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What a handler takes and returns.

    Attributes:
        function: The handler itself.
        is_async: Whether calling it gives an awaitable.
        context_parameter: Name of the parameter that takes the context, if any; it is
            neither in `input_schema` nor in `arguments`.
        input_schema: JSON Schema of type object for lists of features.
        parameters: The properties of `input_schema`, in the order of the function.
        description: Docstring without what it says about arguments and results.
        returns: Resolved annotation of the result, else `inspect.Signature.empty`.
        is_verbatim: Whether the developer wrote `input_schema`.
    """

    function: Callable[..., Any]
    is_async: bool
    context_parameter: str | None
    input_schema: dict[str, Any]
    parameters: tuple[Parameter, ...]
    description: str | None
    returns: Any
    is_verbatim: bool
    _convert: Callable[[Mapping[str, Any] | None], dict[str, Any]] = field(repr=False)

    def arguments(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Turn the arguments of a request into keyword arguments for `function`.

        Args:
            given: JSON values by name on the wire; None means none. Left untouched,
                and nothing in the result belongs to it.

        Returns:
            Validated Python values by parameter, with the defaults of those not given.
            With a verbatim schema the JSON values, and no defaults.

        Raises:
            InvalidArguments: They do not fit.
        """
        return self._convert(given)


def read_signature(
    function: Callable[..., Any],
    *,
    name: str,
    input_schema: Mapping[str, Any] | None = None,
) -> Signature:
    """Read what a handler takes and returns.

    Args:
        function: Function, bound method, `functools.partial` or callable object.
        name: What the feature is called, for messages.
        input_schema: JSON Schema of type object to use verbatim, instead of one
            made from the annotations. It must not refer to other documents.

    Raises:
        ValueError: The function cannot be a handler, or not with this schema.
    """
    if not callable(function) or inspect.isclass(function):
        raise ValueError(f"the handler of {name!r} is {function!r}, not a function")
    accepted = accepted_by(function, name)
    docstring = Docstring.parse(docstring_of(function))
    convert: _ModelArguments | _VerbatimArguments
    if input_schema is None:
        model, written = _modelled(accepted, name)
        # While what types say of themselves is still elsewhere.
        docstring.describe(written["properties"], accepted.named)
        schema = without_references(written)
        convert = _ModelArguments(model, schema, accepted, name)
    else:
        verbatim = VerbatimSchema.of(input_schema, f"input_schema of {name!r}")
        schema = verbatim.schema
        _check_names(accepted, schema, name)
        convert = _VerbatimArguments(verbatim, accepted, name)
    return Signature(
        function=function,
        is_async=accepted.is_async,
        context_parameter=accepted.context,
        input_schema=schema,
        parameters=tuple(_parameters_of(schema)),
        description=docstring.description,
        returns=accepted.returns,
        is_verbatim=input_schema is not None,
        _convert=convert,
    )


# Arguments by annotation ----------------------------------------------------------


class _ModelArguments:
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

    def __call__(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            values, rest = self._validated({} if given is None else given)
        except TooMuchWork:
            raise _invalid(self._name, TOO_MUCH_WORK) from None
        except RecursionError as error:
            if not _is_of_expression(error):
                raise
            raise _invalid(self._name, "nested too deeply") from None
        except PydanticSerializationError as error:
            raise _invalid(self._name, _no_json(error)) from None
        for key, parameter in self._renamed:
            values[parameter] = values.pop(key)
        if self._has_rest and rest:
            _check_rest(rest, self._taken, self._name)
            values.update(rest)
        return values

    def _validated(self, given: Mapping[str, Any]) -> Validated:
        text = to_json(given, fallback=dict)
        if len(text) > MAX_SMALL:
            self._work.check(given, text)
        if self._fitting.is_needed_for(text):
            return self._fitted(text)
        try:
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
            raise _invalid(self._name, str(error)) from None
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
        raise _invalid(self._name, problems) from None


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
        base = type(
            "Rest",
            (_ArgumentsModel,),
            {"rest_annotation": rest, "__module__": __name__},
        )
        return cls(create_model("Arguments", __base__=base, **fields), parameters)

    def schema(self) -> dict[str, Any]:
        return self.model.model_json_schema(schema_generator=SchemaGenerator)


def _aliased(annotation: Any, alias: str) -> Any:
    """Add an alias to an annotation, before any that the developer gave it."""
    metadata: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
    return operator.getitem(Annotated, (annotation, Field(alias=alias), *metadata))


def _modelled(accepted: Accepted, name: str) -> tuple[_Model, dict[str, Any]]:
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


# Arguments by a verbatim schema ---------------------------------------------------


class _VerbatimArguments:
    """Validates arguments by the developer's own JSON Schema and passes them on."""

    def __init__(self, schema: VerbatimSchema, accepted: Accepted, name: str) -> None:
        self._schema = schema
        self._accepted = accepted
        self._required = [
            parameter
            for parameter, (_, default) in accepted.named.items()
            if default is EMPTY
        ]
        self._work = ArgumentWork()
        self._name = name

    def __call__(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        given = {} if given is None else given
        try:
            text = to_json(given, fallback=dict)
            self._work.check(given, text)
            values = from_json(text)
        except TooMuchWork:
            raise _invalid(self._name, TOO_MUCH_WORK) from None
        except ValueError as error:
            raise _invalid(self._name, _no_json(error)) from None
        try:
            problems = self._schema.problems(values, size=len(text))
        except TooMuchWork:
            problems = TOO_MUCH_WORK
        if problems:
            raise _invalid(self._name, problems)
        # The schema may leave open what the function does not.
        for parameter in self._required:
            if parameter not in values:
                raise _invalid(self._name, f"{parameter}: {MISSING}")
        rest = values.keys() - self._accepted.named.keys()
        if rest and self._accepted.rest is EMPTY:
            expected = list(self._accepted.named)
            raise _invalid(
                self._name, f"{shown_name(min(rest))}: {unexpected(expected)}"
            )
        _check_rest(rest, self._accepted.taken, self._name)
        return dict(values)


def _check_names(accepted: Accepted, schema: Mapping[str, Any], name: str) -> None:
    """Refuse a schema that promises arguments the function does not take."""
    for promised in {
        **schema.get("properties", {}),
        **dict.fromkeys(_required(schema)),
    }:
        if promised in accepted.named:
            continue
        if accepted.rest is EMPTY or promised in accepted.taken:
            raise ValueError(
                f"input_schema of {name!r} has {promised!r}, which the function does "
                f"not take; add a parameter of that name, or **arguments"
            )


def _required(schema: Mapping[str, Any]) -> list[str]:
    required: list[str] = schema.get("required", [])
    return required


def _parameters_of(schema: Mapping[str, Any]) -> Iterator[Parameter]:
    required = _required(schema)
    for name, described in schema.get("properties", {}).items():
        # `true` and `false` are schemas as well.
        texts = described if isinstance(described, dict) else {}
        yield Parameter(
            name, name in required, texts.get("description"), texts.get("title")
        )


def _is_of_expression(error: RecursionError) -> bool:
    """Say whether a regular expression was too deep, and no code of the site fails."""
    return any(
        frame.f_globals.get("__name__", "").startswith("re.")
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _no_json(error: ValueError) -> str:
    return str(error).removeprefix("Error serializing to JSON: ")


def _invalid(name: str, problems: str) -> InvalidArguments:
    return InvalidArguments(f"invalid arguments for {name}: {problems}")


def _check_rest(rest: Iterable[str], taken: frozenset[str], name: str) -> None:
    """Refuse arguments for `**kwargs` under names that something else fills."""
    if not taken.isdisjoint(rest):
        raise _invalid(name, f"{min(taken.intersection(rest))}: unexpected argument")
