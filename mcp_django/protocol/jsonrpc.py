"""JSON-RPC 2.0: bytes to a checked message once, a message to bytes once.

The message models are those of `mcp_types.jsonrpc`.
"""

from __future__ import annotations

import codecs
import gc
from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from typing import Any, Final, TypeAlias

from mcp_types.jsonrpc import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from mcp_django.exceptions import ParseError, RemoteProtocolError

JSON: TypeAlias = Any
"""Any value that JSON can carry."""

JSONObject: TypeAlias = dict[str, JSON]

Message: TypeAlias = JSONRPCMessage

MAX_DEPTH = 200
"""Levels of nesting that the JSON parser takes; deeper text is no JSON to us."""

MAX_ID_CHARACTERS = 1024
"""Longest id of a request; it has to fit into the answer, beside the result."""

MAX_BATCH = 1000
"""Messages of a batch; more would hold up all other clients."""

_MAX_COLLECTED_BYTES = 65_536
"""Bytes of JSON while which are read garbage is looked for."""

# What `model_validate` does, without a call more.
_VALIDATORS: Final[Mapping[type[Message], Callable[[JSON], Any]]] = {
    form: form.__pydantic_validator__.validate_python
    for form in (JSONRPCRequest, JSONRPCNotification, JSONRPCResponse, JSONRPCError)
}


def parse(data: bytes | bytearray | memoryview | str) -> Message | list[Message]:
    """Read one JSON text: a message, or a batch of them.

    A byte order mark before it is skipped, as programs on Windows write one.

    Returns:
        The message, or for a JSON array the list of its messages, never empty.

    Raises:
        ParseError: `data` is no JSON text: invalid UTF-8, deeper than `MAX_DEPTH`,
            a number of thousands of digits, NaN, a lone surrogate.
        RemoteProtocolError: It is JSON, and no JSON-RPC message.

    Spec: JSON-RPC 2.0, sections 4 to 6; RFC 8259, section 8.1.
    """
    try:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        text = raw.removeprefix(codecs.BOM_UTF8)
        # On the hot path: most are short.
        is_long = len(text) > _MAX_COLLECTED_BYTES
        value = _read_long(text) if is_long else from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ParseError(f"no JSON text: {error}") from None
    if isinstance(value, list):
        if not value:
            raise RemoteProtocolError("a batch needs at least one message")
        if len(value) > MAX_BATCH:
            raise RemoteProtocolError(
                f"a batch of {len(value)} messages; at most {MAX_BATCH} are taken"
            )
        return [check(item) for item in value]
    return check(value)


def _read_long(text: bytes) -> JSON:
    """Read long JSON without looking for garbage meanwhile.

    Of a million lists in it, those that are made already would be looked through again
    and again, which takes ten times as long as reading them.

    Raises:
        ValueError: It is none.
    """
    if not gc.isenabled():
        return from_json(text, allow_inf_nan=False)
    gc.disable()
    try:
        return from_json(text, allow_inf_nan=False)
    finally:
        gc.enable()


def check(value: JSON) -> Message:
    """Make a message of a JSON value.

    Raises:
        RemoteProtocolError: It has not the form of a JSON-RPC message.
    """
    if not isinstance(value, dict):
        raise RemoteProtocolError(
            f"a message is a JSON object, not {_json_type(value)}"
        )
    form: type[Message]
    # Some languages write null for members that are not there.
    if value.get("method") is not None:
        form = JSONRPCRequest if "id" in value else JSONRPCNotification
    elif value.get("error") is not None:
        # Spec: 2025-11-25 schema.ts, `JSONRPCErrorResponse`: the id may be absent.
        form, value = JSONRPCError, {"id": None, **value}
    else:
        form = JSONRPCResponse
    id = value.get("id") if form is JSONRPCRequest else None
    if isinstance(id, str) and len(id) > MAX_ID_CHARACTERS:
        raise RemoteProtocolError(
            f"no JSON-RPC request: its id is longer than {MAX_ID_CHARACTERS} characters"
        )
    try:
        message: Message = _VALIDATORS[form](value)
        return message
    except ValidationError as error:
        raise RemoteProtocolError(
            f"no JSON-RPC {form.__name__.removeprefix('JSONRPC').lower()}: "
            + "; ".join(_faults(error)),
            request_id=id if _is_id(id) else None,
        ) from None


@singledispatch
def stand_in(value: object) -> JSON:
    """Give JSON for a value that pydantic cannot write.

    Other layers register how their own values are written.

    Raises:
        TypeError: It is none of those that are registered.
    """
    raise TypeError(f"{type(value).__qualname__} cannot be written as JSON")


def serialize(message: Message) -> bytes:
    """Write a message as one line of UTF-8 JSON, without a line end.

    Absent members are left out; nulls inside `params` and `result` are kept. It is one
    line also to readers for whom more than line feeds end lines, as for
    `str.splitlines`.

    Raises:
        ValueError: It holds what JSON or UTF-8 cannot carry, such as a lone
            surrogate.
    """
    if isinstance(message, JSONRPCError):
        # `"id": null` is part of an error about a message whose id is unknown.
        fields = {
            "jsonrpc": "2.0",
            "id": message.id,
            "error": message.error.model_dump(exclude_none=True),
        }
        return _in_one_line(to_json(fields, inf_nan_mode="null", fallback=stand_in))
    return _in_one_line(
        to_json(
            message,
            exclude_none=True,
            by_alias=True,
            inf_nan_mode="null",
            fallback=stand_in,
        )
    )


def serialize_result(id: RequestId, value: JSONObject) -> bytes:
    """Write the result of a request, as `serialize` would the message.

    Raises:
        ValueError: It holds what JSON or UTF-8 cannot carry.
    """
    # On the hot path: a model would cost as much as writing it does, and most texts are
    # ASCII.
    message = {"jsonrpc": "2.0", "id": id, "result": value}
    text = to_json(message, inf_nan_mode="null", fallback=stand_in)
    return text if text.isascii() else _in_one_line(text)


def written(value: JSON) -> JSON:
    """Give a value as its reader will see it: written as JSON, and read again.

    Raises:
        ValueError: It holds what JSON cannot carry.
    """
    return from_json(to_json(value, inf_nan_mode="null", fallback=stand_in))


def request(id: RequestId, method: str, params: JSONObject | None) -> JSONRPCRequest:
    """Make a request."""
    return JSONRPCRequest(jsonrpc="2.0", id=id, method=method, params=params)


def notification(method: str, params: JSONObject | None = None) -> JSONRPCNotification:
    """Make a notification."""
    return JSONRPCNotification(jsonrpc="2.0", method=method, params=params)


def result(id: RequestId, value: JSONObject) -> JSONRPCResponse:
    """Make the result of a request."""
    return JSONRPCResponse(jsonrpc="2.0", id=id, result=value)


def error(
    id: RequestId | None, code: int, message: str, data: JSON = None
) -> JSONRPCError:
    """Make the error that answers a request, or, with no id, an unreadable one."""
    return JSONRPCError(
        jsonrpc="2.0",
        id=id,
        error=ErrorData(code=code, message=message, data=data),
    )


def _in_one_line(text: bytes) -> bytes:
    """Escape the line ends of Unicode, which JSON allows within strings as they are."""
    # Single bytes are found fast. Outside of strings JSON is ASCII, so that nothing but
    # strings and keys can be hit.
    if b"\xe2" in text:
        if b"\xa8" in text:
            text = text.replace(b"\xe2\x80\xa8", rb"\u2028")
        if b"\xa9" in text:
            text = text.replace(b"\xe2\x80\xa9", rb"\u2029")
    if b"\xc2" in text:
        text = text.replace(b"\xc2\x85", rb"\u0085")
    return text


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False)[:3]:
        where = ".".join(str(part) for part in fault["loc"])
        yield f"{where}: {fault['msg']}"


def _is_id(value: JSON) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _json_type(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "a number"
