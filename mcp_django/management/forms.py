"""What servers ask, asked of a person at a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from mcp_types import ElicitRequestFormParams, ElicitRequestURLParams, ElicitResult

from mcp_django.management.schemas import find_local_fault
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.schemas.words import type_in_words
from mcp_django.terminal import printable, printable_lines

_YES: Final = frozenset({"y", "yes", "true", "1"})
_NO: Final = frozenset({"n", "no", "false", "0"})


class Form:
    """Fills in what a server asks, field by field, at a terminal.

    Args:
        ask: Shows a text and waits for a line; None when the person ends the input.
        tell: Shows a text on lines of its own.
    """

    def __init__(
        self, ask: Callable[[str], str | None], tell: Callable[[str], None]
    ) -> None:
        self._ask = ask
        self._tell = tell

    def answer(
        self, params: ElicitRequestFormParams | ElicitRequestURLParams
    ) -> ElicitResult:
        """Answer what the server asks; a user who ends the input declines.

        Spec: 2025-11-25 client/elicitation.
        """
        self._tell(f"The server asks: {printable_lines(params.message)}")
        if isinstance(params, ElicitRequestURLParams):
            self._tell(f"It wants you to visit {printable(params.url)}")
            agreed = self._ask("Enter to agree, Ctrl-D to decline: ") is not None
            return ElicitResult(action="accept" if agreed else "decline")
        self._tell("(an empty line takes the default, Ctrl-D declines)")
        schema: JSONObject = params.requested_schema
        content: dict[str, Any] = {}
        required = schema.get("required") or ()
        for name, field in (schema.get("properties") or {}).items():
            try:
                value = self._fill_in(name, field, is_required=name in required)
            except EOFError:
                self._tell("")
                return ElicitResult(action="decline")
            if value is not None:
                content[name] = value
        return ElicitResult(action="accept", content=content)

    def _fill_in(self, name: str, field: JSONObject, *, is_required: bool) -> JSON:
        """Ask for one field until the answer fits; None to leave it out.

        Raises:
            EOFError: The person ended the input.
        """
        choices = _choices_of(field)
        self._tell(_heading(name, field, is_required=is_required))
        for number, (value, title) in enumerate(choices, start=1):
            shown = f"{value} ({title})" if title not in (None, value) else str(value)
            self._tell(f"  {number}. {printable(shown)}")
        while True:
            text = self._ask("> ")
            if text is None:
                raise EOFError
            if not text.strip():
                if "default" in field:
                    return field["default"]
                if not is_required:
                    return None
                self._tell("this one is needed")
                continue
            try:
                value = _read(text, field, choices)
            except ValueError as error:
                self._tell(printable(str(error)))
                continue
            fault = find_local_fault(field, value)
            if fault is None:
                return value
            self._tell(printable(f"{fault.message:.500}"))


def _heading(name: str, field: JSONObject, *, is_required: bool) -> str:
    parts = [field.get("title") or name]
    if description := field.get("description"):
        parts.append(f"- {description}")
    kind = field.get("format") or type_in_words(
        {k: v for k, v in field.items() if k not in ("enum", "oneOf", "items")}
    )
    notes = [kind] if kind != "any" else []
    if not is_required:
        notes.append("may be left out")
    if "default" in field:
        notes.append(f"default {json.dumps(field['default'], ensure_ascii=False)}")
    if notes:
        parts.append(f"[{', '.join(notes)}]")
    return printable(" ".join(map(str, parts)))


def _choices_of(field: JSONObject) -> Sequence[tuple[JSON, JSON]]:
    """Give the values of an enumeration with their titles; () if it is none.

    Spec: 2025-11-25 client/elicitation, "Supported Schema Types".
    """
    match field:
        case {"enum": list() as values, "enumNames": list() as names}:
            return list(zip(values, names, strict=False))
        case {"enum": list() as values}:
            return [(value, None) for value in values]
        case {"oneOf": list() as members} | {"anyOf": list() as members}:
            return [
                (member["const"], member.get("title"))
                for member in members
                if isinstance(member, dict) and "const" in member
            ]
        case {"type": "array", "items": dict() as items}:
            return _choices_of(items)
    return ()


def _read(text: str, field: JSONObject, choices: Sequence[tuple[JSON, JSON]]) -> JSON:
    """Read what a person wrote for a field.

    Raises:
        ValueError: It is something else; says what it has to be.
    """
    text = text.strip()
    kind = field.get("type")
    if kind == "array":
        parts = [part.strip() for part in text.split(",")]
        return [_choose(part, choices) for part in parts if part]
    if choices:
        return _choose(text, choices)
    match kind:
        case "boolean" if text.lower() in _YES | _NO:
            return text.lower() in _YES
        case "boolean":
            raise ValueError("answer yes or no")
        case "integer" | "number":
            try:
                number = int(text) if kind == "integer" else float(text)
            except ValueError:
                raise ValueError(f"{text!r} is no {kind}") from None
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"JSON has no {text!r}")
            return number
    return text


def _choose(text: str, choices: Sequence[tuple[JSON, JSON]]) -> JSON:
    for value, title in choices:
        if text in (value, title):
            return value
    if text.isdecimal() and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1][0]
    if not choices:
        return text
    raise ValueError(f"{text!r} is none of these; give a number or a value")
