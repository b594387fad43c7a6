"""HTTP headers of Streamable HTTP: what they say, and whether the body says the same.

Pure. Headers are mappings of lower-case name to value, several of one name joined by
commas.

Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata"; RFC 9110.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from mcp_django.protocol.jsonrpc import JSON

Mirrored: TypeAlias = Mapping[str, tuple[str, ...]]
"""Name of a header, in lower case -> names of the properties that lead to the value."""

ANNOTATION: Final = "x-mcp-header"
"""Keyword of a parameter's schema that names its header."""

MAX_SHOWN: Final = 100
"""Characters shown of a header's value."""

BLANKS: Final = " \t"
"""What may stand around a value, and is no part of it."""

ENCODED: Final = "=?base64?"
"""How a value begins that is encoded."""

_SUFFIX: Final = "?="
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = re.compile(r"[\x20-\x7e]*")
_INTEGER = re.compile(r"(-?[0-9]{1,400})(?:\.0{1,20})?")
_QUOTED = re.compile(r'"[^"]*"')
_ZERO = re.compile(r"0(?:\.0*)?")
_PRIMITIVES: Final = ("string", "integer", "boolean")
_HOLDS_SCHEMAS: Final = (
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_HOLDS_NAMED_SCHEMAS: Final = (
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
)


# Accept -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which of our two types of content a client takes."""

    json: bool
    stream: bool


@lru_cache(maxsize=128)
def accepted(accept: str | None) -> Accepted:
    """Read an `Accept` header.

    Parameters of media types beside `q` are ignored.

    Args:
        accept: Its value; None or empty if there is none, which allows everything.

    Spec: RFC 9110, section 12.5.1.
    """
    ranges = _ranges_of(accept or "")
    if not ranges:
        return Accepted(True, True)

    def is_allowed(kind: str, subtype: str) -> bool:
        # The most specific range decides.
        for name in (f"{kind}/{subtype}", f"{kind}/*", "*/*"):
            if name in ranges:
                return ranges[name]
        return False

    return Accepted(
        is_allowed("application", "json"), is_allowed("text", "event-stream")
    )


def _ranges_of(accept: str) -> dict[str, bool]:
    """Give each media range with whether its weight is more than zero."""
    ranges: dict[str, bool] = {}
    for part in _QUOTED.sub("", accept).lower().split(","):
        name, *parameters = (piece.strip(BLANKS) for piece in part.split(";"))
        if name:
            is_wanted = not any(
                key.rstrip(BLANKS) == "q" and _ZERO.fullmatch(weight.strip(BLANKS))
                for key, _, weight in (item.partition("=") for item in parameters)
            )
            ranges[name] = ranges.get(name, False) or is_wanted
    return ranges


@lru_cache(maxsize=128)
def is_for_people(accept: str | None) -> bool:
    """Say whether an `Accept` header is that of a browser that opens a page.

    What takes anything may be a program, and is answered like one.

    Args:
        accept: Its value; None if there is none.

    Spec: RFC 9110, section 12.5.1.
    """
    ranges = _ranges_of(accept or "")
    return ranges.get("text/html", False) and "text/event-stream" not in ranges


# Values -----------------------------------------------------------------------------


def encode_value(value: str | int | bool) -> str:
    """Write a value so that it may stand in a header.

    Raises:
        ValueError: It is a text with a lone surrogate.

    Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
    """
    text = value if isinstance(value, str) else str(value).lower()
    is_sentinel = text.startswith(ENCODED) and text.endswith(_SUFFIX)
    if _PLAIN.fullmatch(text) and text == text.strip(BLANKS) and not is_sentinel:
        return text
    return f"{ENCODED}{base64.b64encode(text.encode()).decode()}{_SUFFIX}"


def decode_value(text: str) -> str:
    """Read the value of a header; blanks around it are no part of it.

    Raises:
        ValueError: It has characters that headers cannot have, or is no Base64 of
            UTF-8 although it says so.

    Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
    """
    text = text.strip(BLANKS)
    if not (text.isascii() and text.replace("\t", " ").isprintable()):
        raise ValueError("it has characters that are not visible ASCII; encode it")
    encoded = text.removeprefix(ENCODED).removesuffix(_SUFFIX)
    if len(encoded) != len(text) - len(ENCODED) - len(_SUFFIX):
        return text
    try:
        raw = base64.b64decode(encoded, validate=True)
        if base64.b64encode(raw).decode() == encoded:
            return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise ValueError("it is no Base64 of UTF-8, though marked as such")


def decode_header(name: str, given: str) -> str:
    """Read the value of a header that has a name.

    Raises:
        ValueError: As of `decode_value`; says which header.
    """
    try:
        return decode_value(given)
    except ValueError as error:
        raise ValueError(f"{name} is {given[:MAX_SHOWN]!r}: {error}") from None


# Headers of a tool's parameters -----------------------------------------------------


def mirrored_parameters(schema: JSON) -> Mirrored:
    """Find the parameters of a tool that clients repeat in headers.

    Args:
        schema: The tool's input schema.

    Raises:
        ValueError: It says so in a way that makes clients drop the tool; the text says
            where, and what to do.

    Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension".
    """
    mirrored: dict[str, tuple[str, ...]] = {}
    for path, inner in _schemas_in(schema, ()):
        if ANNOTATION not in inner:
            continue
        place = ".".join(path) or "the top"
        if not path or path[::2] != ("properties",) * (len(path) // 2):
            raise ValueError(
                f"{ANNOTATION} at {place} of the input schema: only what is reached "
                "through `properties` alone can be a header; write the parameter there "
                "and without $ref"
            )
        names = path[1::2]
        header = _header_name(inner, ".".join(names))
        if header in mirrored:
            raise ValueError(
                f"parameters {'.'.join(mirrored[header])!r} and {'.'.join(names)!r} "
                f"have the same {ANNOTATION}, {inner[ANNOTATION]!r}; upper and lower "
                "case make no difference"
            )
        mirrored[header] = names
    return mirrored


def _header_name(parameter: Mapping[str, JSON], name: str) -> str:
    header = parameter[ANNOTATION]
    if not (isinstance(header, str) and _TOKEN.fullmatch(header)):
        raise ValueError(
            f"parameter {name!r}: {ANNOTATION} must be letters, digits and the "
            f"characters !#$%&'*+-.^_`|~, such as 'Region', not {header!r}"
        )
    if parameter.get("type") not in _PRIMITIVES:
        raise ValueError(
            f"parameter {name!r}: {ANNOTATION} needs a schema with the one type "
            "string, integer or boolean; for an optional parameter give a default of "
            "that type instead of None"
        )
    return f"mcp-param-{header.lower()}"


def _schemas_in(
    schema: JSON, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, JSON]]]:
    """Yield a schema and those in it, each with the keywords and names before it."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for keyword in _HOLDS_SCHEMAS:
        held = schema.get(keyword)
        for inner in held if isinstance(held, list) else (held,):
            yield from _schemas_in(inner, (*path, keyword))
    for keyword in _HOLDS_NAMED_SCHEMAS:
        named = schema.get(keyword)
        for name, inner in named.items() if isinstance(named, Mapping) else ():
            yield from _schemas_in(inner, (*path, keyword, name))


def check_mirrored(
    mirrored: Mirrored, arguments: Mapping[str, JSON], headers: Mapping[str, str]
) -> None:
    """Refuse a tool call whose headers do not say what its arguments say.

    Args:
        mirrored: What `mirrored_parameters` found.
        arguments: Of the call; whether they fit the schema is checked elsewhere.
        headers: Of the request that brought it.

    Raises:
        ValueError: A header is missing, too much, malformed or different; the text
            shows of the values only what the header itself says.

    Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers".
    """
    for name, path in mirrored.items():
        value = value_at(path, arguments)
        given = headers.get(name)
        argument = ".".join(path)
        if given is None:
            if _is_primitive(value):
                raise ValueError(
                    f"{name} is missing; it must say what the argument {argument!r} "
                    "does"
                )
            continue
        text = decode_header(name, given)
        if value is None:
            raise ValueError(
                f"{name} is {given[:MAX_SHOWN]!r}, but there is no argument "
                f"{argument!r}; leave the header out"
            )
        if not _says(text, value):
            raise ValueError(
                f"{name} is {given[:MAX_SHOWN]!r}, which is not what the argument "
                f"{argument!r} says"
            )


def value_at(path: tuple[str, ...], arguments: JSON) -> JSON:
    """Give the value that names of properties lead to; None if there is none."""
    value: JSON = arguments
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_primitive(value: JSON) -> bool:
    return isinstance(value, str | int) or _is_whole(value)


def _is_whole(value: JSON) -> bool:
    """Say whether a number is an integer to JSON Schema, such as 42.0."""
    return isinstance(value, float) and value.is_integer()


def _says(text: str, value: JSON) -> bool:
    """Say whether the text of a header stands for a JSON value."""
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int) or _is_whole(value):
        number = _INTEGER.fullmatch(text)
        return number is not None and int(number[1]) == value
    return bool(text == value)
