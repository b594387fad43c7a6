"""HTTP headers of Streamable HTTP: what they say, and whether bodies say the same."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.protocol.http_headers import (
    Accepted,
    accepted,
    check_mirrored,
    decode_value,
    encode_value,
    mirrored_parameters,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject

VERSION = "2026-07-28"
BOTH = Accepted(json=True, stream=True)
JSON_ONLY = Accepted(json=True, stream=False)
STREAM_ONLY = Accepted(json=False, stream=True)
NEITHER = Accepted(json=False, stream=False)


# Accept -----------------------------------------------------------------------------

ACCEPT: dict[str, tuple[str | None, Accepted]] = {
    "no header": (None, BOTH),
    "an empty header": ("", BOTH),
    "blanks": (" ,\t, ", BOTH),
    "both": ("application/json, text/event-stream", BOTH),
    "both, without blanks": ("text/event-stream,application/json", BOTH),
    "JSON alone": ("application/json", JSON_ONLY),
    "streams alone": ("text/event-stream", STREAM_ONLY),
    "neither": ("text/html, application/xml", NEITHER),
    "everything": ("*/*", BOTH),
    "all of application": ("application/*", JSON_ONLY),
    "all of text": ("text/*", STREAM_ONLY),
    "upper case": ("Application/JSON, TEXT/Event-Stream", BOTH),
    "parameters": ("application/json; charset=utf-8 ;q=0.5", JSON_ONLY),
    "a weight": ("application/json;q=0.9, text/event-stream;q=0.001", BOTH),
    "no weight at all": ("application/json;q=0, text/event-stream", STREAM_ONLY),
    "zero with places": ("application/json; Q = 0.000, */*", STREAM_ONLY),
    "zero for the rest": ("text/event-stream, */*;q=0.0", STREAM_ONLY),
    "the more specific range decides": (
        "application/*;q=0, application/json, text/*, text/event-stream;q=0",
        JSON_ONLY,
    ),
    "the same range twice": ("application/json;q=0, application/json", JSON_ONLY),
    "a weight that is none": ("application/json;q=much", JSON_ONLY),
    "commas in a parameter": (
        'text/event-stream;title="a, application/json;q=0", application/json',
        BOTH,
    ),
    "an open quotation": ('application/json, text/html;title="a', JSON_ONLY),
    "no media type": ("json", NEITHER),
}


@pytest.mark.parametrize(("header", "expected"), ACCEPT.values(), ids=ACCEPT)
def test_accept_header_says_what_a_client_takes(
    header: str | None, expected: Accepted
) -> None:
    """Spec: RFC 9110, section 12.5.1."""
    assert accepted(header) == expected


# Values -----------------------------------------------------------------------------

ENCODED: dict[str, tuple[str | int | bool, str]] = {
    # The examples of the specification.
    "plain": ("us-west1", "us-west1"),
    "beyond ASCII": ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
    "blanks around it": (" padded ", "=?base64?IHBhZGRlZCA=?="),
    "a line end": ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
    "the mark itself": (
        "=?base64?literal?=",
        "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
    ),
    # And others.
    "nothing": ("", ""),
    "blanks inside": ("us west 1", "us west 1"),
    "a tab": ("us\twest", "=?base64?dXMJd2VzdA==?="),
    "half a mark": ("=?base64?literal", "=?base64?literal"),
    "marks that overlap": ("=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="),
    "an integer": (-7, "-7"),
    "true": (True, "true"),
    "false": (False, "false"),
}


@pytest.mark.parametrize(("value", "header"), ENCODED.values(), ids=ENCODED)
def test_values_are_encoded_where_headers_cannot_carry_them(
    value: str | int | bool, header: str
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding"."""
    assert encode_value(value) == header


@given(st.text())
def test_encoded_value_is_read_back(text: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding"."""
    header = encode_value(text)
    assert header.isascii()
    assert header.isprintable()
    assert decode_value(header) == text


def test_lone_surrogate_cannot_be_encoded() -> None:
    """Our choice: it has no UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode_value("\ud800")


LITERAL = {
    "plain": ("us-west1", "us-west1"),
    "blanks around it": (" \tus-west1\t ", "us-west1"),
    "a tab inside": ("us\twest", "us\twest"),
    "no prefix": ("SGVsbG8=?=", "SGVsbG8=?="),
    "no suffix": ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
    "a mark in capitals": ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
    "marks that overlap": ("=?base64?=", "=?base64?="),
    "nothing, encoded": ("=?base64??=", ""),
    "encoded": ("=?base64?SGVsbG8=?=", "Hello"),
}


@pytest.mark.parametrize(("header", "value"), LITERAL.values(), ids=LITERAL)
def test_value_is_literal_unless_it_is_marked(header: str, value: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding"."""
    assert decode_value(header) == value


NO_BASE64 = "it is no Base64 of UTF-8, though marked as such"
NO_ASCII = "it has characters that are not visible ASCII; encode it"
UNREADABLE = {
    "no padding": ("=?base64?SGVsbG8?=", NO_BASE64),
    "too much padding": ("=?base64?SGVsbG8==?=", NO_BASE64),
    "padding inside": ("=?base64?SGVs=bG8=?=", NO_BASE64),
    "other characters": ("=?base64?SGVs!!!bG8=?=", NO_BASE64),
    "the alphabet for URLs": ("=?base64?_-8=?=", NO_BASE64),
    "bits left over": ("=?base64?SGVsbG9=?=", NO_BASE64),
    "no UTF-8": ("=?base64?/w==?=", NO_BASE64),
    "beyond ASCII": ("Grüße", NO_ASCII),
    "a control character": ("us\x00west", NO_ASCII),
    "a line end": ("us\r\nwest", NO_ASCII),
}


@pytest.mark.parametrize(("header", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_value_that_is_malformed_is_refused(header: str, reason: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation"."""
    with pytest.raises(ValueError) as caught:
        decode_value(header)
    assert str(caught.value) == reason


# Headers of a tool's parameters -----------------------------------------------------


def schema(**properties: JSON) -> JSONObject:
    return {"type": "object", "properties": properties}


def text(header: JSON) -> JSONObject:
    return {"type": "string", "x-mcp-header": header}


def test_parameters_name_their_headers() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    assert mirrored_parameters(
        schema(
            region=text("Region"),
            count={"type": "integer", "x-mcp-header": "X-Count"},
            dry_run={"type": "boolean", "x-mcp-header": "!#$%&'*+-.^_`|~9"},
            query={"type": "string"},
            where=schema(city=text("City")),
        )
    ) == {
        "mcp-param-region": ("region",),
        "mcp-param-x-count": ("count",),
        "mcp-param-!#$%&'*+-.^_`|~9": ("dry_run",),
        "mcp-param-city": ("where", "city"),
    }


WITHOUT: dict[str, JSON] = {
    "no properties": {"type": "object"},
    "a parameter of this name": schema(**{"x-mcp-header": {"type": "string"}}),
    "a value of this name": schema(
        a={"const": text("A"), "default": text("A"), "examples": [text("A")]}
    ),
    "a schema that allows all": schema(a=True),
    "no schema": True,
    "parameters called like keywords": schema(
        properties={"type": "string"}, items={"type": "string"}
    ),
}


@pytest.mark.parametrize("without", WITHOUT.values(), ids=WITHOUT)
def test_schema_without_annotations_names_no_headers(without: JSON) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    assert mirrored_parameters(without) == {}


def test_parameters_may_be_called_like_keywords() -> None:
    """Our choice: names of parameters are free."""
    inner = schema(properties=schema(items=text("A")))
    assert mirrored_parameters(inner) == {"mcp-param-a": ("properties", "items")}


UNREACHABLE: dict[str, tuple[JSON, str]] = {
    "the top": ({"type": "object", "x-mcp-header": "A"}, "the top"),
    "items": (schema(a={"items": text("A")}), "properties.a.items"),
    "items in a row": (
        schema(a={"prefixItems": [text("A")]}),
        "properties.a.prefixItems",
    ),
    "old items in a row": (
        schema(a={"items": [True, text("A")]}),
        "properties.a.items",
    ),
    "a choice": (schema(a={"anyOf": [text("A"), {}]}), "properties.a.anyOf"),
    "a choice around all": (
        {"oneOf": [schema(a=text("A"))]},
        "oneOf.properties.a",
    ),
    "a condition": (
        {"then": schema(properties=text("A"))},
        "then.properties.properties",
    ),
    "a definition": (
        {**schema(a={"$ref": "#/$defs/A"}), "$defs": {"A": schema(b=text("B"))}},
        "$defs.A.properties.b",
    ),
    "a pattern": ({"patternProperties": {"^a": text("A")}}, "patternProperties.^a"),
    "other properties": ({"additionalProperties": text("A")}, "additionalProperties"),
}


@pytest.mark.parametrize(("wrong", "place"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_annotation_elsewhere_is_refused(wrong: JSON, place: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    with pytest.raises(ValueError) as caught:
        mirrored_parameters(wrong)
    assert str(caught.value) == (
        f"x-mcp-header at {place} of the input schema: only what is reached through "
        "`properties` alone can be a header; write the parameter there and without "
        "$ref"
    )


@pytest.mark.parametrize(
    "header",
    ["", "My Region", "a:b", "Région", "a\r\nb", "a\x00", "(a)", 7, None, ["A"]],
)
def test_name_that_no_header_can_have_is_refused(header: Any) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    with pytest.raises(ValueError) as caught:
        mirrored_parameters(schema(region=text(header)))
    assert str(caught.value) == (
        "parameter 'region': x-mcp-header must be letters, digits and the characters "
        f"!#$%&'*+-.^_`|~, such as 'Region', not {header!r}"
    )


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "number"},
        {"type": "object"},
        {"type": "array"},
        {"type": ["string", "null"]},
        {"type": []},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {},
    ],
)
def test_parameter_that_is_no_primitive_is_refused(kind: JSONObject) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    with pytest.raises(ValueError) as caught:
        mirrored_parameters(schema(where=schema(region={**kind, "x-mcp-header": "A"})))
    assert str(caught.value) == (
        "parameter 'where.region': x-mcp-header needs a schema with the one type "
        "string, integer or boolean; for an optional parameter give a default of that "
        "type instead of None"
    )


def test_same_name_twice_is_refused() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension"."""
    with pytest.raises(ValueError) as caught:
        mirrored_parameters(schema(a=text("Region"), b=schema(c=text("region"))))
    assert str(caught.value) == (
        "parameters 'a' and 'b.c' have the same x-mcp-header, 'region'; upper and "
        "lower case make no difference"
    )


SAME: dict[str, tuple[JSON, str]] = {
    "text": ("us-west1", "us-west1"),
    "blanks around the header": ("us-west1", " us-west1\t"),
    "empty text": ("", ""),
    "text, encoded": ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
    "text, encoded needlessly": ("Hello", "=?base64?SGVsbG8=?="),
    "text that is a number": ("42", "42"),
    "an integer": (42, "42"),
    "an integer below zero": (-7, "-7"),
    "an integer with places": (42, "42.0"),
    "a body with places": (42.0, "42"),
    "both with places": (42.0, "42.000"),
    "a large integer": (2**63 + 1, "9223372036854775809"),
    "true": (True, "true"),
    "false": (False, "false"),
}


@pytest.mark.parametrize(("value", "header"), SAME.values(), ids=SAME)
def test_header_that_says_what_the_argument_says_is_taken(
    value: JSON, header: str
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation"."""
    mirrored = {"mcp-param-a": ("a",)}
    check_mirrored(mirrored, {"a": value}, {"mcp-param-a": header})


OTHER: dict[str, tuple[JSON, str]] = {
    "text": ("us-west1", "us-east1"),
    "text in capitals": ("us-west1", "US-West1"),
    "text that looks like a number": ("42", "42.0"),
    "text that looks encoded": ("=?base64?SGVsbG8=?=", "=?base64?SGVsbG8=?="),
    "an integer": (42, "43"),
    "an integer with other places": (42, "42.5"),
    "an integer as a power": (100, "1e2"),
    "an integer with a sign": (42, "+42"),
    "an integer in other digits": (42, "=?base64?2aTZog==?="),
    "an endless integer": (42, "4" * 5000),
    "an integer that is no number": (42, "many"),
    "no integer": (42.5, "42.5"),
    "true": (True, "false"),
    "true in capitals": (True, "True"),
    "true as a number": (True, "1"),
    "a number as true": (1, "true"),
    "a list": (["a"], "a"),
    "an object": ({"b": 1}, "a"),
}


@pytest.mark.parametrize(("value", "header"), OTHER.values(), ids=OTHER)
def test_header_that_says_something_else_is_refused(value: JSON, header: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation"."""
    mirrored = {"mcp-param-a": ("a",)}
    with pytest.raises(ValueError) as caught:
        check_mirrored(mirrored, {"a": value}, {"mcp-param-a": header})
    assert str(caught.value) == (
        f"mcp-param-a is {header[:100]!r}, which is not what the argument 'a' says"
    )


@pytest.mark.parametrize("value", ["", "us-west1", 0, 42.0, False])
def test_header_that_is_missing_is_refused(value: JSON) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers"."""
    with pytest.raises(ValueError) as caught:
        check_mirrored({"mcp-param-city": ("to", "city")}, {"to": {"city": value}}, {})
    assert str(caught.value) == (
        "mcp-param-city is missing; it must say what the argument 'to.city' does"
    )


@pytest.mark.parametrize("arguments", [{}, {"to": None}, {"to": {}}, {"to": "city"}])
def test_header_without_an_argument_is_refused(arguments: JSONObject) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers": the server must not expect it. That it is refused is our choice: else
    what is between would act on a value that we never saw."""
    mirrored = {"mcp-param-city": ("to", "city")}
    with pytest.raises(ValueError) as caught:
        check_mirrored(mirrored, arguments, {"mcp-param-city": "Ulm"})
    assert str(caught.value) == (
        "mcp-param-city is 'Ulm', but there is no argument 'to.city'; leave the header "
        "out"
    )
    check_mirrored(mirrored, arguments, {})


@pytest.mark.parametrize("value", [["a"], {"b": 1}, 42.5])
def test_argument_that_fits_no_header_needs_none(value: JSON) -> None:
    """Our choice: it is refused for itself, in words for the model."""
    check_mirrored({"mcp-param-a": ("a",)}, {"a": value}, {})


def test_header_of_a_parameter_that_is_malformed_is_refused() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers"."""
    with pytest.raises(ValueError) as caught:
        check_mirrored({"mcp-param-a": ("a",)}, {"a": "ü"}, {"mcp-param-a": "ü"})
    assert str(caught.value) == (
        "mcp-param-a is 'ü': it has characters that are not visible ASCII; encode it"
    )


def test_headers_of_parameters_that_nobody_declared_are_ignored() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers"."""
    check_mirrored({}, {"a": "b"}, {"mcp-param-a": "c"})


@given(
    st.dictionaries(
        st.text(string.ascii_lowercase, min_size=1),
        st.text() | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none(),
    )
)
def test_what_a_client_mirrors_is_taken(arguments: JSONObject) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior"."""
    mirrored = {f"mcp-param-{name}": (name,) for name in arguments}
    headers = {
        f"mcp-param-{name}": encode_value(value)
        for name, value in arguments.items()
        if value is not None
    }
    check_mirrored(mirrored, arguments, headers)
