"""What URI templates (RFC 6570) are made of, and how that expands.

A template is a sequence of parts, which `parse` finds: literals and expressions. How
they match is in `uri_templates`. Pure: no I/O, no Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from mcp_django.protocol.uris import RESERVED

Value = str | Sequence[str] | Mapping[str, str] | None
"""What a variable may be when a template is expanded; None means undefined."""


@dataclass(frozen=True, slots=True)
class Operator:
    """How an expression expands.

    Spec: RFC 6570, appendix A, the table of operators.
    """

    first: str
    separator: str
    is_named: bool = False
    if_empty: str = ""
    keeps_reserved: bool = False


_OPERATORS = {
    "": Operator("", ","),
    "+": Operator("", ",", keeps_reserved=True),
    "#": Operator("#", ",", keeps_reserved=True),
    ".": Operator(".", "."),
    "/": Operator("/", "/"),
    ";": Operator(";", ";", is_named=True),
    "?": Operator("?", "&", is_named=True, if_empty="="),
    "&": Operator("&", "&", is_named=True, if_empty="="),
}

_TRIPLET = re.compile(r"(%[0-9A-Fa-f]{2})")
_LITERAL = re.compile(r"(?:[^\x00-\x20\"%<>\\^`{|}\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2})+")
_VARIABLE = re.compile(
    r"(?P<name>(?:\w|%[0-9A-F]{2})(?:\.?(?:\w|%[0-9A-F]{2}))*)"
    r"(?::(?P<max_length>[1-9][0-9]{0,3})|(?P<explode>\*))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A part that stands for itself.

    Attributes:
        text: As it is written.
        caseless: How many characters, from the first, may be in any case.
    """

    text: str
    caseless: int = 0

    def expand(self) -> str:
        """Return the text with what a URI cannot contain encoded."""
        return _encode(self.text, keeps_reserved=True)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable in an expression.

    Attributes:
        name: The name, percent-encoded if it was written so.
        max_length: How many characters of a value are used, `{var:3}`; None for all.
        is_exploded: Whether a list or map is spread out, `{var*}`.
    """

    name: str
    max_length: int | None
    is_exploded: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """A part in braces.

    Attributes:
        position: Where its brace opens in the template, counted from 0.
        operator: The character after the brace if it is an operator, else "".
        variables: Its variables; never empty.
    """

    position: int
    operator: str
    variables: tuple[Variable, ...]

    @property
    def rules(self) -> Operator:
        """How the operator expands."""
        return _OPERATORS[self.operator]

    @property
    def is_query(self) -> bool:
        """Whether it stands for parameters of the query."""
        return self.operator in ("?", "&")

    @property
    def is_fragment(self) -> bool:
        """Whether it stands for the fragment."""
        return self.operator == "#"

    @property
    def is_marked(self) -> bool:
        """Whether what it expands to begins with the operator's character.

        Then it shows in a URI whether the expression expanded to anything.
        """
        return self.rules.first != ""

    @property
    def spans_segments(self) -> bool:
        """Whether it may stand for several segments of the path."""
        return self.operator == "+" or (
            self.operator == "/" and self.variables[-1].is_exploded
        )

    def expand(self, values: Mapping[str, Value]) -> str:
        """Fill in the variables; "" if none of them is defined.

        Raises:
            ValueError: A list or map was given for a variable with a prefix length.

        Spec: RFC 6570, section 3.2.1.
        """
        texts: list[str] = []
        for variable in self.variables:
            value = values.get(variable.name)
            if isinstance(value, str):
                texts.append(_named(self.rules, variable, value[: variable.max_length]))
            elif value:
                texts += _expand_composite(self.rules, variable, value)
        return self.rules.first + self.rules.separator.join(texts) if texts else ""


Part = Literal | Expression


def _malformed(text: str, position: int, what: str) -> ValueError:
    return ValueError(
        f"URI template {text!r} is malformed at position {position}: {what}"
    )


def parse(text: str) -> Iterator[Part]:
    """Split a template into its parts; no literal is next to another.

    Raises:
        ValueError: The template is malformed.

    Spec: RFC 6570, section 2.
    """
    position = 0
    while position < len(text):
        if text[position] == "{":
            end = text.find("}", position)
            if end < 0:
                raise _malformed(text, position, "this brace is never closed")
            yield _parse_expression(text, position, end)
            position = end + 1
        elif literal := _LITERAL.match(text, position):
            yield Literal(literal[0])
            position = literal.end()
        else:
            what = f"{text[position]!r} must be percent-encoded outside of braces"
            if text[position] == "}":
                what = "this brace was never opened"
            raise _malformed(text, position, what)


def _parse_expression(text: str, start: int, end: int) -> Expression:
    """Parse the expression between the braces at two positions."""
    position = start + 1
    operator = ""
    if text[position] in _OPERATORS:
        operator = text[position]
        position += 1
    elif text[position] in "=,!@|":
        raise _malformed(
            text, position, f"operator {text[position]!r} is reserved, and has no use"
        )
    variables = []
    for spec in text[position:end].split(","):
        variable = _VARIABLE.fullmatch(spec)
        if variable is None:
            raise _malformed(
                text,
                position,
                f"{spec!r} is no variable; write a name of letters, digits, '_' and "
                "single '.', then nothing, '*', or ':' and a length up to 9999",
            )
        max_length = variable["max_length"]
        variables.append(
            Variable(
                variable["name"],
                int(max_length) if max_length else None,
                is_exploded=variable["explode"] is not None,
            )
        )
        position += len(spec) + 1
    return Expression(start, operator, tuple(variables))


def _encode(text: str, *, keeps_reserved: bool) -> str:
    """Percent-encode text; with `keeps_reserved`, what is encoded already stays so."""
    if not keeps_reserved:
        return quote(text, safe="")
    return "".join(
        piece if _TRIPLET.fullmatch(piece) else quote(piece, safe=RESERVED)
        for piece in _TRIPLET.split(text)
    )


def _named(rules: Operator, variable: Variable, *values: str) -> str:
    """Encode values, joined by commas, with the name before them if the operator asks.

    Spec: RFC 6570, sections 3.2.7 to 3.2.9 for the name.
    """
    text = ",".join(
        _encode(value, keeps_reserved=rules.keeps_reserved) for value in values
    )
    if not rules.is_named:
        return text
    return f"{variable.name}={text}" if text else variable.name + rules.if_empty


def _expand_composite(
    rules: Operator, variable: Variable, value: Sequence[str] | Mapping[str, str]
) -> Iterator[str]:
    """Yield what a list or map expands to: several texts if it is exploded."""
    if variable.max_length is not None:
        raise ValueError(
            f"variable {variable.name!r} has a prefix length, so it expands text only; "
            f"got {value!r}"
        )
    if not variable.is_exploded:
        if isinstance(value, Mapping):
            value = list(chain.from_iterable(value.items()))
        yield _named(rules, variable, *value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            name = _encode(key, keeps_reserved=rules.keeps_reserved)
            text = _encode(item, keeps_reserved=rules.keeps_reserved)
            is_bare = rules.is_named and not text
            yield name + rules.if_empty if is_bare else f"{name}={text}"
    else:
        for item in value:
            yield _named(rules, variable, item)
