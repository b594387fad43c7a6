"""Reads what servers answered, as far as it can be read.

Not every server writes what the specification says. What is wrong with one entry of a
list, or one block of a result, is no reason to lose the others; and null often stands
for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    CompleteResult,
    Completion,
    ContentBlock,
    Implementation,
    Prompt,
    PromptMessage,
    Resource,
    ResourceTemplate,
    TextResourceContents,
    Tool,
)
from pydantic import BaseModel, TypeAdapter, ValidationError

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import methods
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.versions import STRUCTURED_CONTENT, Kind

logger = FaultLog("mcp_django.client")

T = TypeVar("T")
_Model = TypeVar("_Model", bound=BaseModel)

_ENTRIES: Final[Mapping[Kind, type[BaseModel]]] = {
    "prompt": Prompt,
    "resource": Resource,
    "resource_template": ResourceTemplate,
    "tool": Tool,
}
"""What a list is of -> what each entry is."""

_SPECIFIED: Final = methods.LISTS.keys() | {
    "completion/complete",
    "prompts/get",
    "resources/read",
    "tools/call",
}
_ANY_JSON: Final = frozenset(
    {"_meta", "arguments", "experimental", "extensions", "inputSchema", "metadata"}
    | {"outputSchema", "requestedSchema", STRUCTURED_CONTENT}
)
"""Members in which null may mean something."""

_NEVER_ABSENT: Final = frozenset({"content", "contents", "messages", "values"})
"""Members that are lists; some languages write an empty one as null."""

_NAMES: Final = ("name", "uriTemplate", "uri")
_MAX_LOGGED: Final = 10
_MAX_TOLD: Final = 3
_BLOCK: Final[TypeAdapter[ContentBlock]] = TypeAdapter(ContentBlock)
_CONTENTS: Final[TypeAdapter[TextResourceContents | BlobResourceContents]] = (
    TypeAdapter(TextResourceContents | BlobResourceContents)
)
_VALUE: Final = TypeAdapter(str)

_WHOLES: Final[Mapping[str, tuple[str, Callable[[JSON], Any]]]] = {
    "prompts/get": ("messages", PromptMessage.model_validate),
    "resources/read": ("contents", _CONTENTS.validate_python),
}
"""Method -> the member of its result whose parts make a whole, and what each part is.

None of them is left out: what is left would look complete, and mean something else.
"""


def read(
    kind: type[_Model],
    method: str,
    value: JSONObject,
    server: Implementation | None = None,
) -> _Model:
    """Make a typed object of what a server answered.

    Args:
        kind: What it is.
        method: What was asked.
        value: What was answered.
        server: The one that answered, if that is known.

    Raises:
        RemoteProtocolError: It has another form; names server, method and part.
    """
    try:
        return validate(kind.model_validate, value)
    except ValidationError as error:
        faults = faults_of_parts(method, value) or describe_faults(error, "result")
        who = "the server" if server is None else f"the server {server.name[:100]!r}"
        raise RemoteProtocolError(f"{who} answered {method!r} with {faults}") from None


def read_tool_result(
    name: str, value: JSONObject, server: Implementation | None = None
) -> CallToolResult:
    """Make a typed object of the result of a tool, which has run.

    Blocks of its content that are malformed are left out, and the log names them.
    Structured content may stand alone.

    Args:
        name: The tool.
        value: What was answered.
        server: The one that answered, if that is known.

    Raises:
        RemoteProtocolError: It has another form.
    """
    try:
        return validate(CallToolResult.model_validate, value)
    except ValidationError:
        where = f"the result of tool {name[:100]!r}"
        value = _with_fitting_blocks(where, value)
        return read(CallToolResult, "tools/call", value, server)


def read_completion(
    value: JSONObject, server: Implementation | None = None
) -> Completion:
    """Make a typed object of what an argument may go on with.

    Values that are no text are left out, and the log says so: each of them is only
    one of many to choose from.

    Raises:
        RemoteProtocolError: It has another form.
    """
    method = "completion/complete"
    try:
        return validate(CompleteResult.model_validate, value).completion
    except ValidationError:
        value = _with_fitting_values(f"the answer to {method!r}", value)
        return read(CompleteResult, method, value, server).completion


def read_entries(
    kind: type[_Model], method: str, entries: Sequence[JSON]
) -> list[tuple[_Model, JSON]]:
    """Make typed objects of the entries of a list.

    Those that are malformed are left out, and the log names them.

    Args:
        kind: What each of them is.
        method: Such as "tools/list".
        entries: As they came.

    Returns:
        Each object, with the entry that it was made of.
    """
    return _leave_out(
        kind.model_validate, f"the answer to {method!r}", entries, *_NAMES
    )


def clean_result(method: str, result: JSONObject) -> JSONObject:
    """Give a result as clients can read it that take nothing but what is specified."""
    if method not in _SPECIFIED:
        return result
    cleaned: JSONObject = without_nulls(result)
    listed = methods.LISTS.get(method)
    if listed is not None and isinstance(entries := cleaned.get(listed.member), list):
        fitting = read_entries(_ENTRIES[listed.kind], method, entries)
        return {**cleaned, listed.member: [entry for _, entry in fitting]}
    match method:
        case "tools/call":
            return _with_fitting_blocks("the answer to 'tools/call'", cleaned)
        case "completion/complete":
            return _with_fitting_values("the answer to 'completion/complete'", cleaned)
    return cleaned


def faults_of_parts(method: str, result: JSONObject) -> str | None:
    """Say which parts of a whole are malformed, and how; None if it is something else.

    Only the first few are told.
    """
    if method not in _WHOLES:
        return None
    member, check = _WHOLES[method]
    parts = result.get(member)
    faults: list[str] = []
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        try:
            validate(check, part)
        except ValidationError as error:
            number = f"number {index + 1}"
            name = _name(part, index, _NAMES)
            named = number if name == number else f"{number} ({name})"
            faults.append(f"{member} {named}: {describe_faults(error, 'form'):.300}")
            if len(faults) == _MAX_TOLD:
                break
    return "; ".join(faults) or None


def validate(check: Callable[[JSON], T], value: JSON) -> T:
    """Validate a value, once more without its nulls if it is wrong with them.

    Raises:
        ValidationError: It is wrong in any case.
    """
    try:
        return check(value)
    except ValidationError as error:
        try:
            return check(without_nulls(value))
        except ValidationError:
            raise error from None


def without_nulls(value: JSON) -> JSON:
    """Leave out what is null, but where any JSON may stand."""
    match value:
        case list():
            return [without_nulls(item) for item in value]
        case dict():
            return {
                name: part if name in _ANY_JSON else without_nulls(part)
                for name, part in _filled(value).items()
                if part is not None or name == STRUCTURED_CONTENT
            }
    return value


def _filled(value: JSONObject) -> JSONObject:
    empty: dict[str, Any] = {
        name: [] for name in _NEVER_ABSENT if value.get(name, ...) is None
    }
    return {**value, **empty} if empty else value


def _with_fitting_blocks(where: str, result: JSONObject) -> JSONObject:
    """Leave out the malformed blocks of a tool's result."""
    match result:
        case {"content": list() as blocks}:
            fitting = _leave_out(_BLOCK.validate_python, where, blocks, "type")
            return {**result, "content": [block for _, block in fitting]}
        case dict() if STRUCTURED_CONTENT in result and "content" not in result:
            return {**result, "content": []}
    return result


def _with_fitting_values(where: str, result: JSONObject) -> JSONObject:
    """Leave out the values of a completion that are no text."""
    match result:
        case {"completion": {"values": list() as values} as completion}:
            fitting = _leave_out(_VALUE.validate_python, where, values)
            texts = [text for text, _ in fitting]
            return {**result, "completion": {**completion, "values": texts}}
    return result


def _leave_out(
    check: Callable[[JSON], T], where: str, items: Sequence[JSON], *names: str
) -> list[tuple[T, JSON]]:
    """Validate each item, and leave out those that are wrong."""
    fitting: list[tuple[T, JSON]] = []
    wrong = 0
    for index, item in enumerate(items):
        try:
            fitting.append((validate(check, item), item))
        except ValidationError as error:
            wrong += 1
            if wrong <= _MAX_LOGGED:
                name, faults = _name(item, index, names), describe_faults(error, "form")
                logger.warning(
                    "%s: %s is left out, by fault of the server: %.500s",
                    where,
                    name,
                    faults,
                    of=(where, name),
                )
    if wrong > _MAX_LOGGED:
        logger.warning(
            "%s: %d more are left out, by fault of the server",
            where,
            wrong - _MAX_LOGGED,
            of=where,
        )
    return fitting


def _name(item: JSON, index: int, names: Sequence[str]) -> str:
    """Name an item by what it says of itself, or by its place."""
    for name in names if isinstance(item, dict) else ():
        if isinstance(said := item.get(name), str):
            return f"{said[:100]!r}"
    return f"number {index + 1}"
