"""JSON-RPC: bytes to checked messages, messages to bytes."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.exceptions import ParseError, RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message

MESSAGES: dict[str, tuple[bytes, Message]] = {
    "request": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
        JSONRPCRequest(jsonrpc="2.0", id=1, method="ping"),
    ),
    "request with params": (
        b'{"jsonrpc":"2.0","id":"a","method":"tools/call",'
        b'"params":{"name":"add","arguments":{"a":null,"b":[null,1.5,"\xc3\xa9"]}}}',
        JSONRPCRequest(
            jsonrpc="2.0",
            id="a",
            method="tools/call",
            params={"name": "add", "arguments": {"a": None, "b": [None, 1.5, "é"]}},
        ),
    ),
    "request with an empty id": (
        b'{"jsonrpc":"2.0","id":"","method":"ping"}',
        JSONRPCRequest(jsonrpc="2.0", id="", method="ping"),
    ),
    "request with a large id": (
        b'{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}',
        JSONRPCRequest(jsonrpc="2.0", id=123456789012345678901234567890, method="ping"),
    ),
    "notification": (
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized"),
    ),
    "notification with params": (
        b'{"jsonrpc":"2.0","method":"notifications/cancelled",'
        b'"params":{"requestId":7}}',
        JSONRPCNotification(
            jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 7}
        ),
    ),
    "result": (
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"data":null}}',
        JSONRPCResponse(jsonrpc="2.0", id=1, result={"content": [], "data": None}),
    ),
    "error": (
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
        JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=-32601, message="no")),
    ),
    "error with data": (
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no",'
        b'"data":{"uri":null}}}',
        JSONRPCError(
            jsonrpc="2.0",
            id=1,
            error=ErrorData(code=1, message="no", data={"uri": None}),
        ),
    ),
    "error without a known id": (
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}',
        JSONRPCError(
            jsonrpc="2.0", id=None, error=ErrorData(code=-32700, message="what?")
        ),
    ),
}


@pytest.mark.parametrize(("data", "message"), MESSAGES.values(), ids=MESSAGES)
def test_bytes_become_the_message_they_hold(data: bytes, message: Message) -> None:
    """Spec: JSON-RPC 2.0, sections 4 and 5."""
    assert jsonrpc.parse(data) == message


@pytest.mark.parametrize(("data", "message"), MESSAGES.values(), ids=MESSAGES)
def test_message_becomes_compact_json(data: bytes, message: Message) -> None:
    """Spec: 2025-11-25 basic/transports: UTF-8, and no line ends within. That it is
    compact, keeps nulls and leaves absent members out is our choice."""
    assert jsonrpc.serialize(message) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_read(kind: Any) -> None:
    """Our choice: transports hand over what they have."""
    data, message = MESSAGES["request with params"]
    assert jsonrpc.parse(kind(data)) == message


def test_text_is_read_as_its_utf8() -> None:
    """Our choice: WebSocket messages come as text."""
    data, message = MESSAGES["request with params"]
    assert jsonrpc.parse(data.decode()) == message


@pytest.mark.parametrize("text", [str, str.encode])
def test_byte_order_mark_is_skipped(text: Callable[[str], bytes | str]) -> None:
    """Spec: RFC 8259, section 8.1: a parser may ignore it."""
    data, message = MESSAGES["request with params"]
    assert jsonrpc.parse(text("\ufeff" + data.decode())) == message


def test_members_of_others_are_ignored() -> None:
    """Our choice: a newer peer may send more than we know."""
    data = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null,"trace":[1]}'
    assert jsonrpc.parse(data) == JSONRPCRequest(jsonrpc="2.0", id=1, method="ping")


def test_error_may_have_no_id() -> None:
    """Spec: 2025-11-25 schema.ts, `JSONRPCErrorResponse`: the id is optional."""
    data = b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}'
    assert jsonrpc.parse(data) == MESSAGES["error without a known id"][1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'{"jsonrpc":"2.0","id":1,"result":{},"error":null}',
            JSONRPCResponse(jsonrpc="2.0", id=1, result={}),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"method":null,"params":null,"result":{}}',
            JSONRPCResponse(jsonrpc="2.0", id=1, result={}),
        ),
        (
            b'{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":"no"}}',
            JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=1, message="no")),
        ),
        (
            b'{"jsonrpc":"2.0","method":"a","result":null,"error":null}',
            JSONRPCNotification(jsonrpc="2.0", method="a"),
        ),
    ],
)
def test_member_that_is_null_is_taken_as_absent(data: bytes, message: Message) -> None:
    """Our choice: many languages write so what is not there."""
    assert jsonrpc.parse(data) == message


def test_batch_of_too_many_messages_is_refused() -> None:
    """Our choice: each takes ten times the memory of its bytes."""
    longest = b"[" + b",".join([MESSAGES["request"][0]] * jsonrpc.MAX_BATCH) + b"]"
    assert len(batch_of(longest)) == 1000
    with pytest.raises(RemoteProtocolError) as caught:
        jsonrpc.parse(longest[:-1] + b",{}]")
    assert str(caught.value) == "a batch of 1001 messages; at most 1000 are taken"


def batch_of(data: bytes) -> list[Message]:
    batch = jsonrpc.parse(data)
    assert isinstance(batch, list)
    return batch


def test_collector_works_on_after_long_bodies() -> None:
    """Our choice: it rests while one is read, whatever comes of that."""
    lists = b'{"jsonrpc":"2.0","method":"a","params":{"a":[' + b"[]," * 30_000
    jsonrpc.parse(lists + b"[]]}}")
    assert gc.isenabled()
    with pytest.raises(ParseError):
        jsonrpc.parse(lists)
    assert gc.isenabled()


def test_collector_that_was_off_stays_off_after_long_bodies() -> None:
    """Chosen: it is not ours to switch on."""
    gc.disable()
    try:
        jsonrpc.parse(b'{"jsonrpc":"2.0","method":"%b"}' % (b"x" * 70_000))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_batch_becomes_a_list() -> None:
    """Spec: JSON-RPC 2.0, section 6; whether a batch is allowed is decided later."""
    one, other = MESSAGES["request"], MESSAGES["notification"]
    assert jsonrpc.parse(b"[%b,\n%b]" % (one[0], other[0])) == [one[1], other[1]]


def test_nesting_up_to_the_limit_is_read() -> None:
    """Our choice: `MAX_DEPTH`, counting the message's own two levels."""
    depth = jsonrpc.MAX_DEPTH - 2
    data = b'{"jsonrpc":"2.0","method":"m","params":{"a":%b1%b}}' % (
        b"[" * depth,
        b"]" * depth,
    )
    assert isinstance(jsonrpc.parse(data), JSONRPCNotification)


NO_JSON: dict[str, bytes | str] = {
    "nothing": b"",
    "a blank": b" ",
    "half an object": b'{"jsonrpc":"2.0","id":1',
    "two objects": b'{"jsonrpc":"2.0"}{"jsonrpc":"2.0"}',
    "a word": b"hello",
    "invalid UTF-8": b'{"jsonrpc":"2.0","method":"\xff"}',
    "overlong UTF-8": b'{"jsonrpc":"2.0","method":"\xc0\xaf"}',
    "UTF-8 of a surrogate": b'{"jsonrpc":"2.0","method":"\xed\xa0\x80"}',
    "UTF-16": '{"jsonrpc":"2.0","method":"m"}'.encode("utf-16"),
    "a byte order mark alone": b"\xef\xbb\xbf",
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"jsonrpc":"2.0","method":"m"}',
    "a lone surrogate": b'{"jsonrpc":"2.0","method":"\\ud800"}',
    "a lone surrogate as text": '{"jsonrpc":"2.0","method":"\ud800"}',
    "a control character in a string": b'{"jsonrpc":"2.0","method":"a\x01"}',
    "10,000 levels": b"[" * 10_000 + b"]" * 10_000,
    "10,000 levels of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "one level too many": b"[" * (jsonrpc.MAX_DEPTH + 1)
    + b"1"
    + b"]" * (jsonrpc.MAX_DEPTH + 1),
    "an integer of 5,000 digits": b'{"jsonrpc":"2.0","id":%b,"method":"m"}'
    % (b"9" * 5000),
    "not a number": b'{"jsonrpc":"2.0","method":"m","params":{"a":NaN}}',
    "infinity": b'{"jsonrpc":"2.0","method":"m","params":{"a":-Infinity}}',
    "single quotes": b"{'jsonrpc':'2.0'}",
}


@pytest.mark.parametrize("data", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_a_parse_error(data: bytes | str) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32700."""
    with pytest.raises(ParseError, match=r"^no JSON text: ") as caught:
        jsonrpc.parse(data)
    assert (caught.value.code, caught.value.data) == (PARSE_ERROR, None)
    assert caught.value.request_id is None


NO_MESSAGE: dict[str, tuple[bytes, str, int | str | None]] = {
    # what: (bytes, why not, id to answer with)
    "null": (b"null", "a message is a JSON object, not null", None),
    "a boolean": (b"true", "a message is a JSON object, not a boolean", None),
    "a string": (b'"ping"', "a message is a JSON object, not a string", None),
    "a number": (b"1", "a message is a JSON object, not a number", None),
    "a fraction": (b"1.5", "a message is a JSON object, not a number", None),
    "an empty batch": (b"[]", "a batch needs at least one message", None),
    "a batch of no messages": (
        b"[1]",
        "a message is a JSON object, not a number",
        None,
    ),
    "a batch in a batch": (
        b"[[]]",
        "a message is a JSON object, not an array",
        None,
    ),
    "an empty object": (
        b"{}",
        "no JSON-RPC response: jsonrpc: Field required; id: Field required; "
        "result: Field required",
        None,
    ),
    "no version": (
        b'{"id":1,"method":"ping"}',
        "no JSON-RPC request: jsonrpc: Field required",
        1,
    ),
    "another version": (
        b'{"jsonrpc":"1.0","id":"x","method":"ping"}',
        "no JSON-RPC request: jsonrpc: Input should be '2.0'",
        "x",
    ),
    "a method of another type": (
        b'{"jsonrpc":"2.0","id":1,"method":7}',
        "no JSON-RPC request: method: Input should be a valid string",
        1,
    ),
    "params by position": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}',
        "no JSON-RPC request: params: Input should be a valid dictionary",
        1,
    ),
    "params of another type": (
        b'{"jsonrpc":"2.0","method":"ping","params":7}',
        "no JSON-RPC notification: params: Input should be a valid dictionary",
        None,
    ),
    "neither result nor error": (
        b'{"jsonrpc":"2.0","id":1}',
        "no JSON-RPC response: result: Field required",
        None,
    ),
    "a result that is no object": (
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        "no JSON-RPC response: result: Input should be a valid dictionary",
        None,
    ),
    "an error without code": (
        b'{"jsonrpc":"2.0","id":1,"error":{"message":"no"}}',
        "no JSON-RPC error: error.code: Field required",
        None,
    ),
    "an id that is too long": (
        b'{"jsonrpc":"2.0","id":"%b","method":"ping"}' % (b"x" * 1025),
        "no JSON-RPC request: its id is longer than 1024 characters",
        None,
    ),
}


@pytest.mark.parametrize(
    ("data", "reason", "request_id"), NO_MESSAGE.values(), ids=NO_MESSAGE
)
def test_json_that_is_no_message_is_an_invalid_request(
    data: bytes, reason: str, request_id: int | str | None
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32600; 2025-11-25 basic, "Error
    Responses": the answer has the request's id, unless that cannot be read."""
    with pytest.raises(RemoteProtocolError) as caught:
        jsonrpc.parse(data)
    assert caught.value.message == reason
    assert (caught.value.code, caught.value.data) == (INVALID_REQUEST, None)
    assert caught.value.request_id == request_id


@pytest.mark.parametrize("id", [b"null", b"true", b"1.5", b"1.0", b"[]", b'{"a":1}'])
def test_id_of_another_type_is_an_invalid_request(id: bytes) -> None:
    """Spec: 2025-11-25 basic, "Requests": a string or an integer, and not null."""
    with pytest.raises(RemoteProtocolError) as caught:
        jsonrpc.parse(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % id)
    assert caught.value.message == (
        "no JSON-RPC request: id.int: Input should be a valid integer; "
        "id.str: Input should be a valid string"
    )
    assert (caught.value.code, caught.value.request_id) == (INVALID_REQUEST, None)


def test_longest_id_is_taken() -> None:
    """Our choice: `MAX_ID_CHARACTERS`."""
    message = jsonrpc.parse(b'{"jsonrpc":"2.0","id":"%b","method":"m"}' % (b"x" * 1024))
    assert message == JSONRPCRequest(jsonrpc="2.0", id="x" * 1024, method="m")


def test_one_bad_message_refuses_its_batch() -> None:
    """Our choice: nothing of a batch is done before all of it is understood."""
    data = b'[{"jsonrpc":"2.0","id":1,"method":"ping"},7]'
    with pytest.raises(RemoteProtocolError, match="not a number"):
        jsonrpc.parse(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data: bytes) -> None:
    """Our choice: whatever a peer sends, the fault is told apart from ours."""
    try:
        jsonrpc.parse(data)
    except RemoteProtocolError as error:
        assert error.code in (PARSE_ERROR, INVALID_REQUEST)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)

_LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What `str.splitlines` takes for the end of a line."""

# Characters whose bytes in UTF-8 could be taken for those of line ends: neighbors, and
# those that share bytes with them.
_NEAR_LINE_ENDS = "â\x80¨©\u2027\u202a\u2128\u20a8\x84\x86Å…\U000a8028\\u28"
_near_line_ends = st.text(_LINE_ENDS + _NEAR_LINE_ENDS)


@given(st.dictionaries(st.text("xyz"), _JSON))
def test_what_was_written_is_read_back(params: dict[str, Any]) -> None:
    """Our choice: no value is changed on its way."""
    message = jsonrpc.request(1, "tools/call", params)
    data = jsonrpc.serialize(message)
    assert b"\n" not in data
    assert b"\r" not in data
    assert jsonrpc.parse(data) == message


@given(_near_line_ends, _near_line_ends)
def test_what_was_written_is_one_line_to_every_reader(key: str, text: str) -> None:
    """Our choice: some readers split event streams and pipes at line ends of Unicode.
    Nothing but these is escaped that JSON does not demand."""
    value = {key: [text, {text: key}]}
    messages: list[Message] = [
        jsonrpc.request(text, text, value),
        jsonrpc.notification(text, value),
        jsonrpc.result(text, value),
        jsonrpc.error(text, 1, text, value),
    ]
    for message in messages:
        data = jsonrpc.serialize(message)
        assert len(data.decode().splitlines()) == 1
        assert jsonrpc.parse(data) == message
    assert jsonrpc.serialize_result(text, value) == jsonrpc.serialize(messages[2])


def test_line_ends_of_unicode_are_escaped_and_nothing_else() -> None:
    """Spec: RFC 8259, section 7: any character may be escaped."""
    message = jsonrpc.result(1, {"\u2028é": "\u2029\x85ü“”日本\u2027"})
    assert (
        jsonrpc.serialize(message)
        == (
            r'{"jsonrpc":"2.0","id":1,"result":{"\u2028é":"\u2029\u0085ü“”日本‧"}}'
        ).encode()
    )


@given(st.integers() | st.text("xyz"), st.dictionaries(st.text("xyz"), _JSON))
def test_result_is_written_as_its_message_would_be(
    id: int | str, value: dict[str, Any]
) -> None:
    """Our choice: the same bytes, faster."""
    message = jsonrpc.result(id, value)
    assert jsonrpc.serialize_result(id, value) == jsonrpc.serialize(message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_has_no_word_for_become_null(value: float) -> None:
    """Our choice: the line stays JSON whatever a handler logs."""
    message = jsonrpc.notification("notifications/message", {"data": [value]})
    assert jsonrpc.serialize(message) == (
        b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":[null]}}'
    )


@pytest.mark.parametrize("value", ["\ud800", object(), b"\xff"])
def test_what_cannot_be_written_raises_value_error(value: object) -> None:
    """Our choice: said to whoever sends, before a byte is sent."""
    for message in (
        jsonrpc.result(1, {"content": value}),
        jsonrpc.error(1, -32603, "no", value),
    ):
        with pytest.raises(ValueError, match="serializ"):
            jsonrpc.serialize(message)


def test_makers_make_the_four_forms() -> None:
    """Our choice: params and data may be left out."""
    assert jsonrpc.request("a", "ping", None) == JSONRPCRequest(
        jsonrpc="2.0", id="a", method="ping"
    )
    assert jsonrpc.notification("m", {"a": 1}) == JSONRPCNotification(
        jsonrpc="2.0", method="m", params={"a": 1}
    )
    assert jsonrpc.notification("m").params is None
    assert jsonrpc.result(1, {"a": 1}) == JSONRPCResponse(
        jsonrpc="2.0", id=1, result={"a": 1}
    )
    assert jsonrpc.error(None, 1, "no") == JSONRPCError(
        jsonrpc="2.0", id=None, error=ErrorData(code=1, message="no")
    )


def test_written_value_is_what_its_reader_will_see() -> None:
    """Chosen: what JSON has no form for is what `serialize` makes of it."""
    value = {"a": (1, 2), "b": float("nan")}
    assert jsonrpc.written(value) == {"a": [1, 2], "b": None}
