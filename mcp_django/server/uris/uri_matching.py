"""Finding the values in a URI that a template expands to it with.

By one regular expression for each template, which takes linear time; the rules are
written at `UriTemplate.match`. Pure: no I/O, no Django.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mcp_django.protocol.uris import encode
from mcp_django.server.uris.uri_expressions import Expression, Literal, Part, Variable

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _decode(text: str) -> str:
    """Percent-decode text.

    Raises:
        UnicodeError: The octets are not UTF-8.
    """
    return unquote_to_bytes(text).decode()


@dataclass(frozen=True, slots=True)
class _Capture:
    """What one group of a matcher's expression stands for.

    Attributes:
        expression: The expression it is part of.
        variables: All of the expression's variables if it is a named one, else one.
    """

    expression: Expression
    variables: tuple[Variable, ...]

    def read(self, text: str) -> dict[str, str | list[str]] | None:
        """Return the values in the text of the group, None if they do not fit.

        Raises:
            UnicodeError: A value is not UTF-8.
        """
        separator = self.expression.rules.separator
        if self.expression.rules.is_named:
            return self._read_pairs(text.split(separator))
        (variable,) = self.variables
        if variable.is_exploded:
            return {variable.name: [_decode(item) for item in text.split(separator)]}
        value = _decode(text)
        return {variable.name: value} if _fits(variable, value) else None

    def _read_pairs(self, pairs: list[str]) -> dict[str, str | list[str]] | None:
        found: dict[str, list[str]] = {
            encode(variable.name): [] for variable in self.variables
        }
        for pair in pairs:
            name, _, text = pair.partition("=")
            if name not in found:
                return None
            found[name].append(_decode(text))
        values: dict[str, str | list[str]] = {}
        for variable, items in zip(self.variables, found.values(), strict=True):
            if variable.is_exploded and items:
                values[variable.name] = items
            elif len(items) == 1 and _fits(variable, items[0]):
                values[variable.name] = items[0]
            elif items:
                return None
        return values


def _fits(variable: Variable, value: str) -> bool:
    return variable.max_length is None or len(value) <= variable.max_length


@dataclass(frozen=True, slots=True)
class Matcher:
    """A regular expression, and what its groups stand for.

    Why it takes linear time: each repetition is possessive, so that it never gives
    back what it took, but for the one expression that spans segments. That one gives
    back a character at a time, and what follows it is tried only where the literal
    after it stands and looks no further than to the next such place (`matcher_of`).
    """

    regex: re.Pattern[str]
    captures: tuple[_Capture, ...]

    def match(self, encoded: str) -> dict[str, str | list[str]] | None:
        """Return the values in an encoded URI, None if it is no expansion.

        Raises:
            UnicodeError: A value in it is not UTF-8.
        """
        found = self.regex.fullmatch(encoded)
        if found is None or _STRAY_PERCENT.search(encoded):
            return None
        values: dict[str, str | list[str]] = {}
        for capture, text in zip(self.captures, found.groups(), strict=True):
            if text is None:
                continue
            read = capture.read(text)
            if read is None:
                return None
            values |= read
        return values


def matcher_of(text: str, parts: Sequence[Part]) -> Matcher:
    """Make the matcher of a template.

    Raises:
        ValueError: The template cannot be matched.
    """
    _refuse_ambiguous(text, parts)
    marks = "".join(
        part.rules.first
        for part in parts
        if isinstance(part, Expression) and (part.is_query or part.is_fragment)
    )
    patterns: list[str] = []
    captures: list[_Capture] = []
    barrier: list[str] = []
    previous: Part | None = None
    for index, part in enumerate(parts):
        if isinstance(part, Literal):
            patterns.append(_literal_pattern(part))
            if isinstance(previous, Expression) and previous.spans_segments:
                barrier = [patterns[-1]]
        else:
            stops = [*_stops(parts[index + 1 :]), *barrier]
            patterns.append(_pattern(part, stops, barrier, marks))
            captures += (
                [_Capture(part, part.variables)]
                if part.rules.is_named
                else [_Capture(part, (variable,)) for variable in part.variables]
            )
        previous = part
    return Matcher(re.compile("".join(patterns), re.DOTALL), tuple(captures))


def _literal_pattern(literal: Literal) -> str:
    """Return the pattern of a literal, whose host may be in any case."""
    text = literal.text
    host, rest = encode(text[: literal.caseless]), encode(text[literal.caseless :])
    return (f"(?i:{re.escape(host)})" if host else "") + re.escape(rest)


def _refuse_ambiguous(text: str, parts: Sequence[Part]) -> None:
    """Raise ValueError for a template that `UriTemplate.match` has no rule for."""
    names: set[str] = set()
    has_spanning = False
    for index, part in enumerate(parts):
        if isinstance(part, Literal):
            continue
        reason = _reason_in_itself(part) or _reason_in_what_follows(
            part, parts[index + 1 :]
        )
        for variable in part.variables:
            name = encode(variable.name)
            if name in names:
                reason = f"{variable.name!r} is there twice; give one another name"
            names.add(name)
        if part.spans_segments and has_spanning:
            reason = (
                "nothing shows where this and the earlier {+var} or {/var*} end; "
                "write {var} for one of them"
            )
        has_spanning |= part.spans_segments
        if reason is not None:
            raise ValueError(
                f"URI template {text!r} cannot be matched, because of the expression "
                f"at position {part.position}: {reason}"
            )


def _reason_in_itself(expression: Expression) -> str | None:
    """Say why an expression cannot be matched wherever it stands, and the remedy."""
    if expression.rules.is_named:
        return None
    *others, last = expression.variables
    if expression.rules.keeps_reserved and (others or last.is_exploded):
        return (
            "its values may contain the ',' between them; "
            f"write {{{expression.operator}{last.name}}} and split the value yourself"
        )
    if any(variable.is_exploded for variable in others):
        return "nothing shows where its list ends; put the variable with '*' last"
    return None


def _reason_in_what_follows(expression: Expression, rest: Sequence[Part]) -> str | None:
    """Say why an expression cannot be matched before others, and the remedy."""
    if expression.is_fragment and rest:
        return "a fragment ends the URI; put it last"
    if expression.is_query:
        if all(isinstance(p, Expression) and p.is_fragment for p in rest):
            return None
        return (
            "its parameters match in any order up to the end or the fragment; put it "
            "last, with all parameters in one {?a,b}, or in {&a,b} after a literal '?'"
        )
    for part in rest:
        if isinstance(part, Literal) or part.is_query or part.is_fragment:
            break
        if part.operator == expression.operator and part.is_marked:
            return f"write one {{{part.operator}a,b}} for it and the next one like it"
        if not part.is_marked or expression.spans_segments:
            return (
                "nothing shows where it ends and the next expression begins; "
                "put a literal such as '/' between them"
            )
    return None


def _stops(rest: Sequence[Part]) -> list[str]:
    """Return patterns of what can follow a value, given the parts that follow it."""
    stops = []
    for index, part in enumerate(rest):
        if isinstance(part, Expression):
            stops.append(re.escape(part.rules.first))
            continue
        literal = _literal_pattern(part)
        after = rest[index + 1 :]
        if after and isinstance(after[0], Expression) and not after[0].is_marked:
            return [*stops, literal]
        # So that {name}.json finds "a.json" in "a.json.json".
        return [*stops, f"{literal}(?:{'|'.join(_stops(after))})"]
    return [*stops, r"\Z"]


def _pattern(
    expression: Expression, stops: Sequence[str], barrier: Sequence[str], marks: str
) -> str:
    """Return the pattern of an expression, with one group per capture.

    Args:
        expression: The expression.
        stops: Patterns of what its last value ends before.
        barrier: Those of them that none of its values goes beyond.
        marks: Characters that begin the query and fragment expressions, if any.
    """
    names = [variable.name for variable in expression.variables]
    match expression.operator:
        case "":
            commas = "," if len(names) > 1 else ""
            values = [_value_pattern(commas, barrier) for _ in names[:-1]]
            is_list = expression.variables[-1].is_exploded
            values.append(_value_pattern("" if is_list else commas, stops))
            return ",".join(f"([^/?#{commas}]{value})" for value in values)
        case "+":
            return f"([^{marks}]+)" if marks else "(.+)"
        case "#":
            return "(?:#(.*+))?"
        case "?" | "&":
            return f"(?:{re.escape(expression.operator)}([^#]*+))?"
        case ";":
            return f"(?:;({_value_pattern('', stops)}))?"
        case operator:
            value = _value_pattern("", stops)
            if expression.spans_segments:
                value = f"[^?#{marks}]*"
            pattern = f"(?:{re.escape(operator)}({value}))?"
            value = _value_pattern(operator, stops)
            for _ in names[:-1]:
                pattern = f"(?:{re.escape(operator)}({value}){pattern})?"
            return pattern


def _value_pattern(excluded: str, stops: Sequence[str]) -> str:
    """Return the pattern of a value that may be empty, in one segment of the path."""
    characters = f"[^/?#{excluded}]"
    if not stops:
        return f"{characters}*+"
    # Python before 3.11.5 misses matches of `(?:...)*+`, as in Debian 12.
    return f"(?>(?:(?!{'|'.join(stops)}){characters})*)"
