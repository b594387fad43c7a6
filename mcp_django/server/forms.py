"""JSON Schema: the forms that users fill in, and schemas of Python types in general.

`Form` is what `elicit` asks with. The parts below it are shared with the modules that
read signatures and write results: `SchemaGenerator` writes the JSON Schema of a Python
type, `VerbatimSchema` holds one that a developer wrote, and both kinds of errors are
explained in the same words.
"""

from __future__ import annotations

import copy
import itertools
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from django.utils.text import capfirst
from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError as SchemaViolation
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # has no py.typed
from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import SchemaError as CoreSchemaError
from pydantic_core import core_schema, from_json, to_json
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaRegistry, specification_with

UNSUITABLE_TYPE = (
    PydanticUserError,
    PydanticUndefinedAnnotation,
    CoreSchemaError,
    TypeError,
)
"""What pydantic raises for a type that it cannot validate or describe."""

MISSING = "missing, but required"
"""Why a value that is not there is wrong."""

MAX_SHOWN = 80
"""Characters shown of a value that came from the peer."""

MAX_REASON = 500
"""Characters shown of why one value is wrong."""

MAX_PROBLEMS = 10
"""Wrong values named in one text."""

MAX_COLLECTED = 1000
"""Wrong values above which none is named: to list a million takes seconds."""

_KEPT: dict[str, set[str]] = {
    "string": {"minLength", "maxLength", "pattern", "format", "enum"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "boolean": set(),
    "array": {"minItems", "maxItems", "items"},
}
"""Keywords of the restricted schema by type, beside those that every type has."""

_KEPT_ALWAYS = {"type", "title", "description", "default"}
_FORMATS = ("email", "uri", "date", "date-time")


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
        verbatim = VerbatimSchema.of(schema, "requestedSchema")

        def parse(content: Mapping[str, Any]) -> Any:
            values = from_json(to_json(content, fallback=dict))
            if problems := verbatim.problems(values, show_values=False):
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

    def parse(content: Mapping[str, Any]) -> BaseModel:
        text = to_json({**empty, **content})
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(explain(error, content, show_values=False)) from None

    return Form(requested, parse)


def _described_by(model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the schema of a model, every property with a title to show, and its $defs.

    A title that the developer did not write is made the way Django labels a field.
    """
    try:
        schema = model.model_json_schema(schema_generator=_FormSchemaGenerator)
    except UNSUITABLE_TYPE as error:
        raise ValueError(
            f"{model.__name__} cannot be a form: {first_sentence(error)}"
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
    if property_.get("format") not in _FORMATS:
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


# JSON Schema of Python types -------------------------------------------------------


def union_members(annotation: Any) -> Iterator[Any]:
    """Yield what a value may be: the members of a union, else the annotation alone.

    `Annotated` and `type` aliases are looked through.
    """
    if hasattr(annotation, "__value__"):
        yield from union_members(annotation.__value__)
    elif get_origin(annotation) is Annotated:
        yield from union_members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from union_members(member)
    else:
        yield annotation


class SchemaGenerator(GenerateJsonSchema):
    """Writes the JSON Schema of Python types, without the titles nobody wrote."""

    # A default that is no JSON value is not shown; nothing to warn of. Frozen, where
    # pydantic has a set, because nobody adds to it.
    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        return _untitled(super().model_schema(schema), schema)

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> dict[str, Any]:
        return _untitled(super().dataclass_schema(schema), schema)

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        return _untitled(super().typed_dict_schema(schema), schema)

    def enum_schema(self, schema: core_schema.EnumSchema) -> dict[str, Any]:
        self._enums.add(schema["cls"].__name__)
        return super().enum_schema(schema)

    def generate(
        self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation"
    ) -> dict[str, Any]:
        self._enums: set[str] = set()
        written = super().generate(schema, mode)
        # Enums get their title only after `enum_schema`, from their own core schema.
        for described in (written, *written.get("$defs", {}).values()):
            if "enum" in described and described.get("title") in self._enums:
                del described["title"]
        return written


def _untitled(written: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    named_after = schema.get("cls")
    if named_after is not None and written.get("title") == named_after.__name__:
        del written["title"]
    return written


class _FormSchemaGenerator(SchemaGenerator):
    """The same for fields of a form, where a decimal is a number and nothing else."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        number: dict[str, Any] = super().decimal_schema(schema)["anyOf"][0]
        return number


def first_sentence(error: Exception) -> str:
    """Take the first sentence of an exception's text."""
    return str(error).partition("\n")[0].partition(". ")[0].rstrip(".")


# JSON Schema of developers -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class VerbatimSchema:
    """A JSON Schema as a developer wrote it."""

    schema: dict[str, Any]
    _validator: Validator = field(repr=False)

    @classmethod
    def of(
        cls, schema: Mapping[str, Any], what: str, *, of_object: bool = True
    ) -> VerbatimSchema:
        """Check a JSON Schema and make ready to validate with it.

        Args:
            schema: The schema, of dialect 2020-12 unless its `$schema` says otherwise.
            what: What it is, for messages, such as "input_schema of 'ship'".
            of_object: Whether it must have `"type": "object"`.

        Raises:
            ValueError: It is no valid schema, is in a dialect we do not know, or
                refers to a document outside itself.

        Spec: 2026-07-28 basic/index, "JSON Schema Usage".
        """
        if of_object and schema.get("type") != "object":
            raise ValueError(
                f'{what} must have "type": "object", not {schema.get("type")!r}'
            )
        own = copy.deepcopy(dict(schema))
        dialect = _dialect(own, what)
        try:
            dialect.check_schema(own)
        except SchemaError as error:
            place = _path(error.absolute_path) or "its top"
            raise ValueError(
                f"{what} is no valid JSON Schema: at {place}: {error.message}"
            ) from error
        registry = _checked_references(own, dialect, what)
        return cls(own, dialect(own, registry=registry))

    def problems(self, value: Any, *, show_values: bool = True) -> str:
        """Say what is wrong with a JSON value; "" if nothing is.

        Args:
            value: The JSON value.
            show_values: Whether the text may contain parts of it.
        """
        found = []
        try:
            violations = self._validator.iter_errors(value)
            for violation in itertools.islice(violations, MAX_PROBLEMS + 1):
                # For `anyOf` and its like: the violation in the branch meant most
                # likely.
                deepest = best_match([violation]) or violation
                found.append(_violation_text(deepest, show_values=show_values))
        except RecursionError:
            return "nested too deeply"
        except ArithmeticError:
            return "a number is too large"
        return _joined(found)


def _dialect(schema: dict[str, Any], what: str) -> type[Validator]:
    if "$schema" not in schema:
        return Draft202012Validator
    # `Validator` stands for "unknown": it is only the protocol of dialects.
    dialect: type[Validator] = validator_for(schema, default=Validator)
    if dialect is Validator:
        raise ValueError(
            f"{what} is in the unknown dialect {schema['$schema']!r}; leave $schema "
            "out for JSON Schema 2020-12"
        )
    return dialect


def _checked_references(
    schema: dict[str, Any], dialect: type[Validator], what: str
) -> SchemaRegistry:
    """Look up every reference in a schema.

    Returns:
        The documents it may refer to: itself and the specified meta-schemas.
    """
    specification = specification_with(str(dialect.META_SCHEMA["$schema"]))
    resource = specification.create_resource(schema)
    own_uri = resource.id() or ""
    registry: SchemaRegistry = REGISTRY.with_resource(own_uri, resource).crawl()
    waiting = [(resource, registry.resolver(own_uri))]
    while waiting:
        resource, resolver = waiting.pop()
        contents = resource.contents if isinstance(resource.contents, dict) else {}
        for keyword in contents.keys() & {"$ref", "$dynamicRef"}:
            try:
                resolver.lookup(contents[keyword])
            except Unresolvable as error:
                raise ValueError(
                    f"{what} refers to {contents[keyword]!r}, which is not in it; "
                    "schemas are never fetched, put the definition under $defs"
                ) from error
        waiting += [
            (inner, resolver.in_subresource(inner)) for inner in resource.subresources()
        ]
    return registry


# What is wrong, in words ------------------------------------------------------------

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_SHOWN


def explain(
    error: ValidationError,
    given: Any,
    *,
    expected: Iterable[str] | None = None,
    show_values: bool = True,
) -> str:
    """Say what pydantic found wrong with a value, each place with its reason.

    Args:
        error: What pydantic raised.
        given: The value.
        expected: The names that `given` may have at its top, if they are known.
        show_values: Whether the text may contain parts of the value.
    """
    count = error.error_count()
    if count > MAX_COLLECTED:
        return f"{count} values are wrong, too many to name"
    found = []
    details = error.errors(include_url=False)
    for detail in details[: MAX_PROBLEMS + 1]:
        location, kind = detail["loc"], detail["type"]
        place, variant = _place(location, given, ends_in_name=kind == "missing")
        if kind == "missing":
            reason = variant + MISSING
        elif kind == "extra_forbidden" and len(location) == 1 and expected is not None:
            reason = unexpected(expected)
        else:
            reason = detail["msg"].removeprefix("Value error, ")
            if tag := detail.get("ctx", {}).get("tag"):
                reason = reason.replace(tag, shown_name(tag) if show_values else "")
            reason = variant + _cut(reason, MAX_REASON)
            if show_values:
                reason += f" (got {shown(detail['input'])})"
        found.append(f"{place}: {reason}" if place else reason)
    return _joined(found)


def shown(value: Any) -> str:
    """Write a value that came from the peer, or its beginning."""
    return _cut(_repr.repr(value), MAX_SHOWN)


def _violation_text(violation: SchemaViolation, *, show_values: bool) -> str:
    value = shown(violation.instance) if show_values else "the value"
    reason = str(violation.message)
    if violation.validator is None:  # The schema is `false` here.
        reason = f"{value} is not allowed"
    elif reason.startswith(whole := repr(violation.instance)):
        reason = value + reason[len(whole) :]
    place = _path(violation.absolute_path)
    reason = _cut(reason, MAX_REASON)
    return f"{place}: {reason}" if place else reason


def unexpected(expected: Iterable[str]) -> str:
    """Say why an argument is wrong that nobody takes."""
    names = ", ".join(expected)
    if not names:
        return "unexpected argument, none is expected"
    return f"unexpected argument, expected are {names}"


def _place(
    location: tuple[int | str, ...], value: Any, *, ends_in_name: bool
) -> tuple[str, str]:
    """Split pydantic's location into a path in the value, and the variant tried there.

    In a union, pydantic puts the name of the member it tried between the names.
    """
    path: list[int | str] = []
    variants: list[str] = []
    for position, part in enumerate(location, start=1):
        if _has(value, part):
            value = value[part]
            path.append(part)
        elif ends_in_name and position == len(location):
            path.append(part)
        else:
            variants.append(str(part))
    variant = _cut(".".join(variants), MAX_SHOWN)
    return _path(path), f"as {variant}: " if variant else ""


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, list | tuple):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _path(parts: Iterable[int | str]) -> str:
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{shown_name(part)}"
        for part in parts
    )
    return _cut(text.removeprefix("."), MAX_REASON)


def shown_name(name: str) -> str:
    """Write a name that came from the peer, or its beginning."""
    return _cut(name, MAX_SHOWN) if name.isprintable() else shown(name)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _joined(found: list[str]) -> str:
    if len(found) > MAX_PROBLEMS:
        found = [*found[:MAX_PROBLEMS], "and more"]
    return "; ".join(found)
