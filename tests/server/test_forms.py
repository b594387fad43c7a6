"""Forms for the user: the restricted schema, and reading what was filled in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from django.db.models import TextChoices
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AnyUrl,
    BaseModel,
    Field,
    RootModel,
    SecretStr,
    create_model,
    field_validator,
)

from mcp_django.server.forms import Form


class Color(Enum):
    """Colors we have."""

    RED = "red"
    BLUE = "blue"


class Mood(StrEnum):
    GOOD = "good"


class Status(TextChoices):
    OPEN = "open", "Still open"
    DONE = "done", "Finished"


class Confirm(BaseModel):
    """Not shown: the restricted schema has no place for it."""

    ship_it: bool
    when: date | None
    color: Color | None
    notes: str = "none"

    @field_validator("notes")
    @classmethod
    def is_polite(cls, notes: str) -> str:
        if "!" in notes:
            raise ValueError("do not shout")
        return notes


class Recursive(BaseModel):
    child: Recursive | None = None


def form_with(annotation: Any, default: Any = ...) -> Form:
    """Make a form with one field `order_value` of a type."""
    return Form.of(create_model("Order", order_value=(annotation, default)))


COLORS = {"type": "string", "enum": ["red", "blue"], "description": "Colors we have."}


@pytest.mark.parametrize(
    ("annotation", "property_"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (Decimal, {"type": "number"}),
        (date, {"type": "string", "format": "date"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (AnyUrl, {"type": "string", "format": "uri", "minLength": 1}),
        (
            Annotated[str, Field(json_schema_extra={"format": "email"})],
            {"type": "string", "format": "email"},
        ),
        (
            Annotated[
                str,
                Field(
                    title="Name",
                    description="Yours.",
                    min_length=3,
                    max_length=50,
                    pattern="^[A-Z]",
                ),
            ],
            {
                "type": "string",
                "title": "Name",
                "description": "Yours.",
                "minLength": 3,
                "maxLength": 50,
                "pattern": "^[A-Z]",
            },
        ),
        (
            Annotated[float, Field(ge=0.5, le=1.5)],
            {"type": "number", "minimum": 0.5, "maximum": 1.5},
        ),
        # What the restricted schema cannot say is checked when the form comes back.
        (
            Annotated[int, Field(gt=0, lt=10, multiple_of=2)],
            {"type": "integer", "minimum": 1, "maximum": 9},
        ),
        (
            Annotated[float, Field(gt=0, lt=1)],
            {"type": "number", "minimum": 0, "maximum": 1},
        ),
        (
            Annotated[Decimal, Field(ge=0, max_digits=5, decimal_places=2)],
            {"type": "number", "minimum": 0},
        ),
        (UUID, {"type": "string"}),
        (time, {"type": "string"}),
        (timedelta, {"type": "string"}),
        # Choices.
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Color, COLORS),
        (Mood, {"type": "string", "enum": ["good"]}),
        (Status, {"type": "string", "enum": ["open", "done"]}),
        (
            Annotated[Color, Field(description="Which one?")],
            {**COLORS, "description": "Which one?"},
        ),
        (
            list[Literal["a", "b"]],
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        ),
        (
            set[Status],
            {"type": "array", "items": {"type": "string", "enum": ["open", "done"]}},
        ),
        (
            Annotated[list[Literal["a"]], Field(min_length=1, max_length=2)],
            {
                "type": "array",
                "items": {"type": "string", "enum": ["a"]},
                "minItems": 1,
                "maxItems": 2,
            },
        ),
    ],
)
def test_field_is_shown_in_the_restricted_schema(
    annotation: Any, property_: dict[str, Any]
) -> None:
    """Spec: 2025-11-25 client/elicitation, "Requested Schema"."""
    form = form_with(annotation)

    assert form.requested_schema == {
        "type": "object",
        "properties": {"order_value": {"title": "Order value", **property_}},
        "required": ["order_value"],
    }


@pytest.mark.parametrize(
    ("annotation", "default", "property_"),
    [
        (str, "x", {"type": "string", "default": "x"}),
        (bool, False, {"type": "boolean", "default": False}),
        (int, 0, {"type": "integer", "default": 0}),
        (Decimal, Decimal("1.50"), {"type": "number", "default": 1.5}),
        (
            date,
            date(2026, 1, 31),
            {"type": "string", "format": "date", "default": "2026-01-31"},
        ),
        (Color, Color.RED, {**COLORS, "default": "red"}),
        (
            list[Status],
            [Status.OPEN],
            {
                "type": "array",
                "items": {"type": "string", "enum": ["open", "done"]},
                "default": ["open"],
            },
        ),
        (str | None, "x", {"type": "string", "default": "x"}),
        (str | None, None, {"type": "string"}),
    ],
)
def test_field_with_a_default_shows_it_and_is_not_required(
    annotation: Any, default: Any, property_: dict[str, Any]
) -> None:
    """Spec: 2025-11-25 client/elicitation: all types support default values."""
    form = form_with(annotation, default)

    assert form.requested_schema == {
        "type": "object",
        "properties": {"order_value": {"title": "Order value", **property_}},
    }
    assert form.parse(None).order_value == default


@pytest.mark.parametrize(
    ("annotation", "property_"),
    [
        (Optional[int], {"type": "integer"}),  # noqa: UP045
        (Color | None, COLORS),
        (Literal["a"] | None, {"type": "string", "enum": ["a"]}),
        (Literal["a", None], {"type": "string", "enum": ["a"]}),
        (
            Annotated[str | None, Field(max_length=3, description="Short.")],
            {"type": "string", "maxLength": 3, "description": "Short."},
        ),
        (
            list[Literal["a"]] | None,
            {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        ),
    ],
)
def test_field_that_may_be_none_may_be_left_empty(
    annotation: Any, property_: dict[str, Any]
) -> None:
    """We chose it: the restricted schema has no null, only what is not required."""
    form = form_with(annotation)

    assert form.requested_schema == {
        "type": "object",
        "properties": {"order_value": {"title": "Order value", **property_}},
    }
    assert form.parse({}).order_value is None
    assert form.parse({"order_value": None}).order_value is None


@pytest.mark.parametrize("blank", ["", "  ", None])
@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (date | None, ..., None),
        (date | None, None, None),
        (datetime, datetime(2026, 1, 31), datetime(2026, 1, 31)),
        (time | None, None, None),
        (int | None, ..., None),
        (int, 3, 3),
        (float | None, None, None),
        (Decimal, Decimal("1.5"), Decimal("1.5")),
        (bool, True, True),
        (bool | None, ..., None),
        (Color | None, ..., None),
        (Status, Status.OPEN, Status.OPEN),
        (Literal["a", "b"] | None, None, None),
        (list[Status], [], []),
        (list[Literal["a"]] | None, ..., None),
        (UUID | None, ..., None),
        (AnyUrl | None, ..., None),
        (Annotated[str | None, Field(pattern="^x")], None, None),
        (Annotated[str, Field(min_length=3)], "abc", "abc"),
    ],
)
def test_blank_text_is_an_empty_field(
    annotation: Any, default: Any, expected: Any, blank: str | None
) -> None:
    """We chose it: that is how clients send the field that a user left empty."""
    form = form_with(annotation, default)

    assert form.parse({"order_value": blank}).order_value == expected


def test_blank_text_is_a_text() -> None:
    """We chose it: only where it is one."""
    for annotation, default in ((str, ...), (str, "x"), (str | None, None)):
        parsed = form_with(annotation, default).parse({"order_value": ""})
        assert parsed.order_value == ""
    choices = form_with(Literal["", "a"], "a").parse({"order_value": ""})
    assert choices.order_value == ""


@pytest.mark.parametrize("annotation", [int, date, Color, bool, list[Status]])
def test_field_that_must_be_filled_in_is_not_left_empty(annotation: Any) -> None:
    """We chose it: the user is asked again, and told which."""
    with pytest.raises(ValueError, match=r"^order_value: "):
        form_with(annotation).parse({"order_value": ""})


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, "3", 3),
        (int, 3.0, 3),
        (bool, "true", True),
        (list[Literal["a", "b"]], '["a"]', ["a"]),
        (datetime, "2026-01-31", datetime(2026, 1, 31)),
        (Decimal, "1E-7", Decimal("1E-7")),
    ],
)
def test_value_is_converted_as_an_argument_is(
    annotation: Any, value: Any, expected: Any
) -> None:
    """We chose it: forms are filled in by the same clients."""
    assert form_with(annotation).parse({"order_value": value}).order_value == expected


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (int, True, "Input should be a valid integer"),
        (int | None, True, "Input should be a valid integer"),
        (bool, 1, "Input should be a valid boolean"),
        (date, 5, "Input should be a valid date, as text"),
        (float, "nan", "Input should be a finite number"),
    ],
)
def test_value_in_doubt_is_refused_as_an_argument_is(
    annotation: Any, value: Any, reason: str
) -> None:
    """We chose it: the form that the client was shown never allowed it."""
    with pytest.raises(ValueError) as caught:
        form_with(annotation).parse({"order_value": value})
    assert str(caught.value) == f"order_value: {reason}"


def test_alias_is_the_name_on_the_wire_and_the_title_is_for_people() -> None:
    """We chose Django's way to label a field."""

    class Order(BaseModel):
        ship_date: str = Field(alias="shipDate")

    form = Form.of(Order)

    assert form.requested_schema == {
        "type": "object",
        "properties": {"shipDate": {"type": "string", "title": "Ship date"}},
        "required": ["shipDate"],
    }
    assert form.parse({"shipDate": "x"}).ship_date == "x"


def test_form_without_fields_only_asks_to_agree() -> None:
    """We chose it."""
    form = Form.of(create_model("Empty"))

    assert form.requested_schema == {"type": "object", "properties": {}}
    assert isinstance(form.parse(None), BaseModel)


def test_form_of_a_model_is_made_once() -> None:
    """We chose it: a handler asks again and again."""
    assert Form.of(Confirm) is Form.of(Confirm)


RULE = (
    "; the fields of a form are strings, numbers, booleans, choices of strings and "
    "lists of choices"
)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Confirm, "is no simple value but 'object'"),
        (Confirm | None, "is no simple value but 'object'"),
        (dict[str, str], "is no simple value but 'object'"),
        (Any, "is no simple value but 'anything'"),
        (None, "is no simple value but 'null'"),
        (list, "is a list of something other than choices"),
        (list[str], "is a list of something other than choices"),
        (list[Confirm], "is a list of something other than choices"),
        (tuple[str, str], "is a list of something other than choices"),
        (list[Literal[1]], "has choices that are not strings"),
        (Literal[1, 2], "has choices that are not strings"),
        (Literal["a", 1], "has choices that are not strings"),
        (int | str, "is a union of several types"),
        (SecretStr, "is secret, and secrets may only be asked for with elicit_url"),
    ],
)
def test_field_that_a_form_cannot_have_is_refused_by_name(
    annotation: Any, reason: str
) -> None:
    """Spec: 2025-11-25 client/elicitation, "Requested Schema": flat and primitive.

    And "User Interaction Model": servers MUST NOT ask for secrets in a form.
    """
    with pytest.raises(ValueError) as caught:
        form_with(annotation)
    assert str(caught.value) == f"field 'order_value' of Order {reason}{RULE}"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            Recursive,
            f"field 'child' of Recursive is no simple value but 'object'{RULE}",
        ),
        (
            RootModel[list[int]],
            "RootModel[list[int]] cannot be a form: it has no fields",
        ),
        (
            create_model("Odd", call=(Callable[[], int], ...)),
            "Odd cannot be a form: Cannot generate a JsonSchema for "
            "core_schema.CallableSchema",
        ),
        (
            int,
            "a form is made from a pydantic model or a schema, not from <class 'int'>",
        ),
        (None, "a form is made from a pydantic model or a schema, not from None"),
        (
            {"properties": {}},
            'requestedSchema must have "type": "object", not None',
        ),
        (
            {"type": "object", "properties": {"a": {"type": 3}}},
            "requestedSchema is no valid JSON Schema: at properties.a.type: 3 is not "
            "valid under any of the given schemas",
        ),
    ],
)
def test_what_is_no_form_is_refused(schema: Any, message: str) -> None:
    """We chose to say it before anything is sent."""
    with pytest.raises(ValueError) as caught:
        Form.of(schema)
    assert str(caught.value) == message


def test_filled_in_form_is_an_instance_of_the_model() -> None:
    """We chose it."""
    content = {"ship_it": True, "when": "2026-01-31", "color": "red"}

    assert Form.of(Confirm).parse(content) == Confirm(
        ship_it=True, when=date(2026, 1, 31), color=Color.RED, notes="none"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "ship_it: missing, but required"),
        (
            {"ship_it": "secret", "when": "secret", "color": "secret"},
            "ship_it: Input should be a valid boolean, unable to interpret input; "
            "when: Input should be a valid date or datetime, input is too short; "
            "color: Input should be 'red' or 'blue'",
        ),
        ({"ship_it": True, "notes": "secret!"}, "notes: do not shout"),
    ],
)
def test_wrong_field_is_named_without_what_the_user_wrote(
    content: dict[str, Any] | None, message: str
) -> None:
    """We chose it: the text may end in a log."""
    with pytest.raises(ValueError) as caught:
        Form.of(Confirm).parse(content)
    assert str(caught.value) == message


VERBATIM = {
    "type": "object",
    "properties": {
        "color": {
            "type": "string",
            "oneOf": [{"const": "#f00", "title": "Red"}],
        },
        "count": {"type": "integer", "minimum": 1},
    },
    "required": ["color"],
}


def test_blank_text_in_a_verbatim_schema_is_an_empty_field() -> None:
    """We chose it: as in the form of a model."""
    form = Form.of(VERBATIM)

    for blank in ("", " ", None):
        assert form.parse({"color": "#f00", "count": blank}) == {"color": "#f00"}
    assert form.parse({"color": "#f00", "more": ""}) == {"color": "#f00", "more": ""}
    with pytest.raises(ValueError, match=r"^color: "):
        form.parse({"color": ""})


def verbatim_with(required: bool = False, **property_: Any) -> Form:
    """Make a form of a schema with one field `a`."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": property_}}
    return Form.of({**schema, "required": ["a"]} if required else schema)


OF_FORMAT = [{"type": "string", "format": f} for f in ("date", "date-time", "uri")]


@pytest.mark.parametrize("blank", ["", "  ", None])
@pytest.mark.parametrize(
    "property_",
    [
        *OF_FORMAT,
        {"type": "string", "format": "email"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "string", "enum": ["red"]},
        {"type": "string", "oneOf": [{"const": "red", "title": "Red"}]},
        {"type": "string", "minLength": 3},
        {"type": "array", "items": {"type": "string", "enum": ["red"]}},
    ],
)
def test_blank_text_is_an_empty_field_of_any_type_in_a_verbatim_schema(
    property_: dict[str, Any], blank: str | None
) -> None:
    """We chose it: as in the form of a model."""
    assert verbatim_with(**property_).parse({"a": blank}) == {}
    with pytest.raises(ValueError, match=r"^'?a"):
        verbatim_with(required=True, **property_).parse({"a": blank})


@pytest.mark.parametrize(
    ("property_", "value", "expected"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, 3.0, 3),
        ({"type": ["integer", "null"]}, "3", 3),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, 3, 3),
        ({"type": "boolean"}, "true", True),
        ({"type": "integer", "enum": [1, 2]}, "2", 2),
        ({"type": "integer", "enum": [1, 2]}, 2.0, 2),
        ({"type": "string"}, "3", "3"),
        ({"type": ["string", "integer"]}, "3", "3"),
        ({"type": "array", "items": {"enum": ["red", "blue"]}}, '["red"]', ["red"]),
        ({"type": "string", "format": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T10:00", ...),
        ({"type": "string", "format": "date-time"}, "2026-01-31T10:00:00Z", ...),
        ({"type": "string", "format": "uri"}, "https://shop.example/1", ...),
        ({"type": "string", "format": "email"}, "ann@shop.example", ...),
    ],
)
def test_value_for_a_verbatim_schema_is_converted_as_for_a_model(
    property_: dict[str, Any], value: Any, expected: Any
) -> None:
    """We chose it: forms are filled in by the same clients."""
    read = verbatim_with(**property_).parse({"a": value})["a"]

    assert read == (value if expected is ... else expected)
    assert expected is ... or type(read) is type(expected)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("property_", "value", "reason"),
    [
        ({"type": "string", "format": "date"}, "x", "the value is not a 'date'"),
        ({"type": "string", "format": "date"}, "0", "the value is not a 'date'"),
        (
            {"type": "string", "format": "date"},
            "2026-02-30",
            "the value is not a 'date'",
        ),
        (
            {"type": "string", "format": "date-time"},
            "1700000000",
            "the value is not a 'date-time'",
        ),
        ({"type": "string", "format": "uri"}, "x", "the value is not a 'uri'"),
        ({"type": "string", "format": "email"}, "ann", "the value is not a 'email'"),
        ({"type": "integer"}, "1.5", "the value is not of type 'integer'"),
        ({"type": "integer"}, True, "the value is not of type 'integer'"),
        ({"type": "number"}, "nan", "the value is not of type 'number'"),
        ({"type": "boolean"}, 1, "the value is not of type 'boolean'"),
        ({"type": "integer", "minimum": 2}, "1", "the value is less than the minimum"),
    ],
)
def test_value_that_a_verbatim_schema_does_not_allow_is_refused_by_name(
    property_: dict[str, Any], value: Any, reason: str, required: bool
) -> None:
    """We chose it: the user is asked again, and told which field."""
    with pytest.raises(ValueError) as caught:
        verbatim_with(required, **property_).parse({"a": value})
    assert str(caught.value).startswith(f"a: {reason}")


def test_verbatim_schema_is_asked_as_it_is() -> None:
    """We chose it, for what models cannot say, such as titled choices."""
    form = Form.of(VERBATIM)
    content = {"color": "#f00", "count": 2, "more": None}

    assert form.requested_schema == VERBATIM
    assert form.parse(content) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "'color' is a required property"),
        ({"color": "secret"}, "color: '#f00' was expected"),
        (
            {"color": "#f00", "count": 0},
            "count: the value is less than the minimum of 1",
        ),
        (
            {"color": "#f00", "count": "secret"},
            "count: the value is not of type 'integer'",
        ),
    ],
)
def test_wrong_field_of_a_verbatim_schema_is_named_without_what_the_user_wrote(
    content: dict[str, Any] | None, message: str
) -> None:
    """We chose it: the text may end in a log."""
    with pytest.raises(ValueError) as caught:
        Form.of(VERBATIM).parse(content)
    assert str(caught.value) == message


EVERY_FIELD = {
    "type": "object",
    "properties": {
        "ship_it": {"type": "boolean"},
        "when": {"type": "string", "format": "date"},
        "color": {"type": "string", "format": "email"},
        "notes": {"type": "string", "format": "uri"},
        "count": {"type": "integer"},
    },
}

CONTENT = st.dictionaries(
    st.sampled_from(["ship_it", "when", "color", "notes", "count"])
    | st.text(st.characters(exclude_categories=())),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.lists(st.text()),
)


@settings(deadline=None)
@given(
    st.sampled_from([Form.of(Confirm), Form.of(VERBATIM), Form.of(EVERY_FIELD)]),
    CONTENT,
)
def test_arbitrary_content_is_read_or_a_value_error(
    form: Form, content: dict[str, Any]
) -> None:
    """We chose it: whatever a client sends, nothing else may be raised."""
    try:
        form.parse(content)
    except ValueError:
        return
