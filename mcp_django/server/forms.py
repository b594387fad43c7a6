"""Forms: what `elicit` asks users to fill in.

Spec: 2025-11-25 client/elicitation, "Requested Schema".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.utils.text import capfirst
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema, from_json, to_json

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.arguments.bounded_validation import make_bounded
from mcp_django.server.arguments.fitting import Fitting
from mcp_django.server.form_fields import FORMAT_CHECKER, FORMATS, VerbatimFields
from mcp_django.server.schemas.json_schema import (
    SchemaGenerator,
    explain,
    why_unsuitable,
)
from mcp_django.server.schemas.verbatim_schemas import TOO_MUCH_WORK, VerbatimSchema
from mcp_django.server.texts import untranslated

MAX_FILLED_BYTES = 262_144
"""Bytes that may be filled into one form, as JSON."""

_KEPT: dict[str, set[str]] = {
    "string": {"minLength", "maxLength", "pattern", "format", "enum"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "boolean": set(),
    "array": {"minItems", "maxItems", "items"},
}
"""Keywords of the restricted schema by type, beside those that every type has."""

_KEPT_ALWAYS = {"type", "title", "description", "default"}


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A form for the user: what to ask, and how to read the answer.

    Attributes:
        requested_schema: The `requestedSchema` of the request; not to be changed, as
            forms of the same model share it.
    """

    requested_schema: dict[str, Any]
    _parse: Callable[[Mapping[str, Any]], Any] = field(repr=False)

    @classmethod
    def of(cls, schema: type[BaseModel] | Mapping[str, Any]) -> Form:
        """Make the form for a pydantic model, or for a verbatim `requestedSchema`.

        Fields of a model may be strings, numbers, booleans, dates, choices of strings
        (`Literal` or `Enum`) and lists of such choices. `X | None` is a field that
        may be left empty.

        Raises:
            ValueError: The model has a field that a form cannot have, or the schema
                is not valid.

        Spec: 2025-11-25 client/elicitation, "Requested Schema".
        """
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            return _form_of_model(schema)
        if not isinstance(schema, Mapping):
            raise ValueError(
                f"a form is made from a pydantic model or a schema, not from {schema!r}"
            )
        verbatim = VerbatimSchema.of(
            schema, "requestedSchema", format_checker=FORMAT_CHECKER
        )
        fields = VerbatimFields(untranslated(verbatim.schema))
        required = verbatim.schema.get("required", ())

        def parse(content: Mapping[str, Any]) -> Any:
            values = fields.fit(_copied(content))
            empty = _left_empty(values, verbatim.wrong_members(values), required)
            values = {key: v for key, v in values.items() if key not in empty}
            try:
                problems = verbatim.problems(values, show_values=False)
            except TooMuchWork:
                problems = TOO_MUCH_WORK
            if problems:
                raise ValueError(problems)
            return values

        return cls(verbatim.schema, parse)

    def parse(self, content: Mapping[str, Any] | None) -> Any:
        """Read what the user filled in.

        Args:
            content: JSON values by field; None means that all are empty.

        Returns:
            An instance of the model, or for a verbatim schema the values.

        Raises:
            ValueError: A field is wrong; the text names it and the reason, but not
                what the user wrote.
        """
        return self._parse({} if content is None else content)


@lru_cache(maxsize=256)
def _form_of_model(model: type[BaseModel]) -> Form:
    properties: dict[str, Any] = {}
    required: list[str] = []
    # Null for the fields that may be left empty and have no default: pydantic wants
    # to be told that they are.
    empty: dict[str, None] = {}
    described, definitions = _described_by(model)
    for name, property_ in described["properties"].items():
        try:
            properties[name], is_nullable = _primitive(property_, definitions)
        except ValueError as error:
            raise ValueError(
                f"field {name!r} of {model.__name__} {error}; the fields of a form are "
                "strings, numbers, booleans, choices of strings and lists of choices"
            ) from None
        if name in described.get("required", ()):
            if is_nullable:
                empty[name] = None
            else:
                required.append(name)
    requested: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        requested["required"] = required

    return Form(requested, _ModelParser(model, described, definitions, required, empty))


class _ModelParser:
    """Reads what was filled into the form of a model."""

    def __init__(
        self,
        model: type[BaseModel],
        described: Mapping[str, Any],
        definitions: Mapping[str, Any],
        required: Sequence[str],
        empty: Mapping[str, None],
    ) -> None:
        self._read = make_bounded(model)
        self._fitting = Fitting({**described, "$defs": definitions})
        self._required = required
        self._empty = empty

    def __call__(self, content: Mapping[str, Any]) -> BaseModel:
        given, doubts = self._fitting.fit({**self._empty, **_copied(content)})
        filled, wrong = self._filled(given)
        if wrong is not None:
            faults = wrong.errors(include_url=False, include_input=False)
            members = {str(fault["loc"][0]) for fault in faults if fault["loc"]}
            left_empty = _left_empty(given, members, self._required)
            for name in left_empty:
                del given[name]
            if left_empty:
                filled, wrong = self._filled({**self._empty, **given})
        problems = explain(wrong, given, doubts=doubts, show_values=False)
        if problems or filled is None:
            raise ValueError(problems)
        return filled

    def _filled(self, given: JSON) -> tuple[BaseModel | None, ValidationError | None]:
        """Make an instance, or say what is wrong.

        Raises:
            ValueError: It takes too much work to find out.
        """
        try:
            return self._read(to_json(given)), None
        except ValidationError as error:
            return None, error
        except TooMuchWork:
            raise ValueError(TOO_MUCH_WORK) from None


def _copied(content: Mapping[str, Any]) -> dict[str, Any]:
    """Copy what was filled in.

    Raises:
        ValueError: It is more than any user fills in.
    """
    text = to_json(content, fallback=dict)
    if len(text) > MAX_FILLED_BYTES:
        raise ValueError(
            f"{len(text)} bytes were filled in; {MAX_FILLED_BYTES} are allowed"
        )
    copied: dict[str, Any] = from_json(text)
    return copied


def _left_empty(
    values: Mapping[str, Any], wrong: Iterable[str], required: Collection[str]
) -> set[str]:
    """Name the fields that were left empty, which clients send as null or blank text.

    Args:
        values: What was filled in.
        wrong: Fields whose values do not fit.
        required: Fields that may not be left empty.
    """
    return {
        name
        for name in wrong
        if name in values and name not in required and _is_blank(values[name])
    }


def _is_blank(value: JSON) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _described_by(model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the schema of a model, every property with a title to show, and its $defs.

    A title that the developer did not write is made the way Django labels a field.
    """
    try:
        schema = model.model_json_schema(schema_generator=_FormSchemaGenerator)
    except Exception as error:
        raise ValueError(
            f"{model.__name__} cannot be a form: {why_unsuitable(error)}"
        ) from error
    definitions = schema.get("$defs", {})
    described = _inlined(schema, definitions)
    if described.get("type") != "object" or "properties" not in described:
        raise ValueError(f"{model.__name__} cannot be a form: it has no fields")
    for property_, field_name in zip(
        described["properties"].values(), model.model_fields, strict=True
    ):
        property_.setdefault("title", capfirst(field_name.replace("_", " ")))
    return described, definitions


def _primitive(
    described: dict[str, Any], definitions: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Write a property as the restricted schema has it.

    Returns:
        The property, and whether null is allowed for it, which a form cannot say.

    Raises:
        ValueError: The restricted schema has no such properties; the text says why,
            beginning with a verb.
    """
    property_, is_nullable = _without_null(described, definitions)
    kind = property_.get("type")
    if "enum" in property_:
        return _kept({**property_, **_choices(property_)}), is_nullable
    if kind == "array":
        items = _choices(_inlined(property_.get("items", {}), definitions))
        return _kept({**property_, "items": items}), is_nullable
    if kind not in _KEPT:
        raise ValueError(f"is no simple value but {kind or 'anything'!r}")
    if property_.get("format") == "password":
        # Spec: "Servers MUST NOT use form mode elicitation to request sensitive
        # information such as passwords".
        raise ValueError("is secret, and secrets may only be asked for with elicit_url")
    if property_.get("format") not in FORMATS:
        property_.pop("format", None)
    if kind in ("number", "integer"):
        _include_bounds(property_, 1 if kind == "integer" else 0)
        if isinstance(property_.get("default"), str):  # of a Decimal
            property_["default"] = float(property_["default"])
    return _kept(property_), is_nullable


def _inlined(
    described: Mapping[str, Any], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the definition in the place of a reference to it."""
    inlined = dict(described)
    if "$ref" in inlined:
        target = definitions[inlined.pop("$ref").removeprefix("#/$defs/")]
        inlined = {**target, **inlined}
    return inlined


def _without_null(
    described: Mapping[str, Any], definitions: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Split `X | None` into X and whether null was possible."""
    inlined = _inlined(described, definitions)
    members = [_inlined(member, definitions) for member in inlined.pop("anyOf", ())]
    others = [member for member in members if member.get("type") != "null"]
    if len(others) > 1:
        raise ValueError("is a union of several types")
    is_nullable = len(others) < len(members)
    for member in others:
        inlined = {**member, **inlined}
    if "const" in inlined:
        inlined["enum"] = [inlined.pop("const")]
    if None in inlined.get("enum", ()):
        is_nullable = True
        inlined["enum"] = [choice for choice in inlined["enum"] if choice is not None]
    if inlined.get("default", ...) is None:
        del inlined["default"]
    return inlined, is_nullable


def _choices(described: Mapping[str, Any]) -> dict[str, Any]:
    choices = [described["const"]] if "const" in described else described.get("enum")
    if choices is None:
        raise ValueError("is a list of something other than choices")
    if not all(isinstance(choice, str) for choice in choices):
        raise ValueError("has choices that are not strings")
    return {"type": "string", "enum": choices}


def _include_bounds(number: dict[str, Any], step: int) -> None:
    """Write `gt` and `lt` as the inclusive bounds that the restricted schema has."""
    if "exclusiveMinimum" in number:
        number["minimum"] = number["exclusiveMinimum"] + step
    if "exclusiveMaximum" in number:
        number["maximum"] = number["exclusiveMaximum"] - step


def _kept(property_: Mapping[str, Any]) -> dict[str, Any]:
    keywords = _KEPT_ALWAYS | _KEPT[property_["type"]]
    return {key: value for key, value in property_.items() if key in keywords}


class _FormSchemaGenerator(SchemaGenerator):
    """The same for fields of a form, where a decimal is a number and nothing else."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        number: dict[str, Any] = super().decimal_schema(schema)["anyOf"][0]
        return number
