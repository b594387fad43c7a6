"""Bytes: base64 in arguments and in results."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from typing_extensions import TypedDict

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.arguments.invalid_arguments import InvalidArguments
from mcp_django.server.arguments.signatures import read_signature
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.server import Server
from tests.server.calls import LATEST, MODERN, Caller

RAW = bytes(range(250, 256)) + b"\x00?>"
ENCODED = b64encode(RAW).decode()
SCHEMA = {"type": "string", "contentEncoding": "base64"}


@dataclass
class Photo:
    data: bytes
    title: str = ""


class Row(TypedDict):
    data: bytes


class Pair(NamedTuple):
    data: bytes
    size: int


class Upper(BaseModel):
    data: bytes


class Shot(BaseModel):
    model_config = ConfigDict(validate_by_name=True)

    data: bytes = Field(validation_alias="bytes")
    taken: date | None


class Album(BaseModel):
    photos: list[Shot]
    above: Album | None = None


class Explicit(BaseModel):
    model_config = ConfigDict(val_json_bytes="hex", ser_json_bytes="hex")

    data: bytes


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (bytes, ENCODED, RAW),
        (bytes, urlsafe_b64encode(RAW).decode(), RAW),
        (bytes, "YQ", b"a"),
        (bytes, "", b""),
        (bytes | None, ENCODED, RAW),
        (bytes | None, None, None),
        (Annotated[bytes, Field(max_length=9)], ENCODED, RAW),
        (list[bytes], [ENCODED], [RAW]),
        (dict[str, bytes], {"a": ENCODED}, {"a": RAW}),
        (Photo, {"data": ENCODED}, Photo(RAW)),
        (list[Row], [{"data": ENCODED}], [{"data": RAW}]),
        (Upper, {"data": ENCODED}, Upper(data=RAW)),
        (Upper | None, {"data": ENCODED}, Upper(data=RAW)),
        (list[Upper], [{"data": ENCODED}], [Upper(data=RAW)]),
        (dict[str, Upper], {"a": {"data": ENCODED}}, {"a": Upper(data=RAW)}),
        (tuple[int, Upper], [1, {"data": ENCODED}], (1, Upper(data=RAW))),
        (
            Album,
            {"photos": [{"bytes": ENCODED, "taken": "2026-01-31"}], "above": None},
            Album(photos=[Shot(data=RAW, taken=date(2026, 1, 31))]),
        ),
        (
            Album,
            {"photos": [], "above": {"photos": [{"data": ENCODED, "taken": None}]}},
            Album(photos=[], above=Album(photos=[Shot(data=RAW, taken=None)])),
        ),
        (Explicit, {"data": RAW.hex()}, Explicit(data=RAW)),
    ],
)
def test_bytes_arrive_as_they_were(annotation: Any, given: Any, expected: Any) -> None:
    """We chose it: JSON has no bytes, and base64 is what MCP has elsewhere."""

    def take(data: Any) -> None: ...

    take.__annotations__ = {"data": annotation, "return": None}
    signature = read_signature(take, name="take")

    assert signature.arguments({"data": given}) == {"data": expected}


def test_schema_of_a_parameter_says_base64() -> None:
    """Spec: JSON Schema 2020-12 validation, section 8.3."""

    def take(
        data: Annotated[bytes, Field(max_length=8)], photo: Photo, upper: Upper
    ) -> None: ...

    properties = read_signature(take, name="take").input_schema["properties"]

    assert properties["data"] == SCHEMA
    assert properties["photo"]["properties"]["data"] == SCHEMA
    assert properties["upper"]["properties"]["data"] == SCHEMA


@pytest.mark.parametrize(
    ("annotation", "default", "shown"),
    [
        (bytes, RAW, ENCODED),
        (list[bytes], [RAW], [ENCODED]),
        (dict[str, bytes], {"a": RAW}, {"a": ENCODED}),
    ],
)
def test_default_is_shown_in_the_alphabet_of_results(
    annotation: Any, default: Any, shown: Any
) -> None:
    """We chose it: what is shown is what is sent and taken."""

    def take(data: Any = default) -> None: ...

    take.__annotations__ = {"data": annotation, "return": None}
    signature = read_signature(take, name="take")

    assert signature.input_schema["properties"]["data"]["default"] == shown


@pytest.mark.parametrize("given", ["no base64!", "a", "ä"])
def test_what_is_no_base64_is_refused(given: str) -> None:
    """We chose it: and never taken for the bytes themselves."""

    def take(data: bytes) -> None: ...

    with pytest.raises(InvalidArguments, match="data: Data should be valid base64"):
        read_signature(take, name="take").arguments({"data": given})

    def take_model(photo: Upper) -> None: ...

    with pytest.raises(InvalidArguments, match="photo: Data should be valid base64"):
        read_signature(take_model, name="take").arguments({"photo": {"data": given}})


def test_bytes_may_have_a_largest_size() -> None:
    """We chose it: that of the bytes, and not of their text."""

    def take(data: Annotated[bytes, Field(max_length=8)]) -> None: ...

    with pytest.raises(InvalidArguments, match="at most 8 bytes"):
        read_signature(take, name="take").arguments({"data": ENCODED})


@pytest.mark.parametrize(
    ("returns", "value", "structured"),
    [
        (bytes, RAW, ENCODED),
        (bytes, b"text", "dGV4dA=="),
        (bytes | None, RAW, ENCODED),
        (bytes | None, None, None),
        (list[bytes], [RAW], [ENCODED]),
        (tuple[bytes, int], (RAW, 1), [ENCODED, 1]),
        (dict[str, bytes], {"a": RAW}, {"a": ENCODED}),
        (Photo, Photo(RAW), {"data": ENCODED, "title": ""}),
        (list[Row], [{"data": RAW}], [{"data": ENCODED}]),
        (Pair, Pair(RAW, 1), [ENCODED, 1]),
        (Upper, Upper(data=RAW), {"data": ENCODED}),
        (list[Upper], [Upper(data=RAW)], [{"data": ENCODED}]),
        (Explicit, Explicit(data=RAW), {"data": RAW.hex()}),
        (Upper, Upper(data=b"text"), {"data": "dGV4dA=="}),
        (Upper | None, Upper(data=b"text"), {"data": "dGV4dA=="}),
        (
            Album,
            Album(photos=[Shot(data=RAW, taken=date(2026, 1, 31))]),
            {"photos": [{"data": ENCODED, "taken": "2026-01-31"}], "above": None},
        ),
        (dict[str, Any], {"a": RAW}, {"a": ENCODED}),
        (Annotated[bytes, PlainSerializer(len, return_type=int)], RAW, len(RAW)),
    ],
)
def test_bytes_are_returned_as_base64(
    returns: Any, value: Any, structured: Any
) -> None:
    """We chose it: in the alphabet of RFC 4648, section 4, which all know."""
    output = ToolOutput.of(returns)

    result = output.result(value)

    assert result["structuredContent"] == structured
    assert output.schema is not None
    Draft202012Validator(output.schema).validate(structured)


@pytest.mark.parametrize("returns", [bytes, list[bytes], Photo, Upper, list[Upper]])
def test_schema_of_a_result_says_base64(returns: Any) -> None:
    """Spec: JSON Schema 2020-12 validation, section 8.3."""
    assert '"contentEncoding": "base64"' in json.dumps(ToolOutput.of(returns).schema)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (RAW, ENCODED),
        (b"text", "text"),
        ({"a": RAW}, json.dumps({"a": ENCODED}, separators=(",", ":"))),
        ([Photo(RAW)], f'[{{"data":"{ENCODED}","title":""}}]'),
    ],
)
def test_bytes_without_an_annotation_are_sent(value: Any, text: str) -> None:
    """We chose it: as text if they are some."""
    result = ToolOutput.of(Any).result(value)

    assert result == {"content": [{"type": "text", "text": text}]}


@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_bytes_go_both_ways(version: str) -> None:
    """We promise it."""
    server = Server("shop")

    @server.tool
    def turn(data: bytes) -> bytes:
        return data[::-1]

    @server.resource("shop://photos/{number}")
    def photo(number: int) -> bytes:
        return RAW

    caller = Caller(server, version=version)
    result = await caller.call_tool("turn", data=ENCODED)
    turned = b64encode(RAW[::-1]).decode()
    assert result["content"] == [{"type": "text", "text": turned}]
    read: JSONObject = await caller.call("resources/read", {"uri": "shop://photos/1"})
    assert read["contents"][0]["blob"] == ENCODED
