"""URI templates (RFC 6570): which resource is meant by a URI, and the way back.

RFC 6570 defines how a template expands. It leaves matching open, because different
values may expand to the same URI. `UriTemplate.match` therefore follows rules of its
own, written in its docstring, and templates that no rule would do for are refused when
they are parsed. Pure: no I/O, no Django.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from mcp_django.protocol.uris import encode
from mcp_django.server.uris.uri_expressions import (
    Expression,
    Literal,
    Part,
    Value,
    Variable,
    parse,
)
from mcp_django.server.uris.uri_normal_form import normal

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class UriTemplate:
    """A parsed URI template; equal to others of the same text.

    Attributes:
        text: The template as it was written.
        variables: Names of the variables, each once, in order of appearance.
    """

    text: str
    variables: tuple[str, ...] = field(compare=False)
    _parts: tuple[Part, ...] = field(compare=False, repr=False)
    _matcher: _Matcher | None = field(compare=False, repr=False)
    _normal_matcher: _Matcher | None = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, *, for_matching: bool = True) -> UriTemplate:
        """Parse a template.

        Args:
            text: The template, of any level of RFC 6570.
            for_matching: False for a template that is only ever expanded; it may then
                be ambiguous.

        Raises:
            ValueError: The template is malformed, or cannot be matched; the message
                says where (counted from 0), why, and in the second case what to write.
        """
        parts = tuple(parse(text))
        names = [
            variable.name
            for part in parts
            if isinstance(part, Expression)
            for variable in part.variables
        ]
        return cls(
            text,
            tuple(dict.fromkeys(names)),
            parts,
            _compile(text, parts) if for_matching else None,
            _compile(text, normal(parts)) if for_matching else None,
        )

    def match(self, uri: str) -> dict[str, str | list[str]] | None:
        """Find the values that this template expands to a URI with.

        A template is matched from left to right:

        * `{var}` is at least one character, without "/", "?" and "#". It ends where
          what follows it can begin for the first time: `{id}-{slug}` finds the id "7"
          in "7-a-b". In `{a,b}` neither may be missing.
        * `{+var}` is at least one character of any kind, and as many as possible:
          `{+folder}/{name}` finds the name behind the last "/". It ends before a query
          or fragment only if the template has `{?...}` or `{#...}`. What follows it in
          the path never contains the literal that comes right after it. One such
          variable, or one `{/var*}`, may be in a template.
        * `{.var}`, `{/var}`, `{;var}` and `{#var}` may be missing, and so may the last
          ones in `{/a,b}`.
        * `{?a,b}` and `{&a,b}` match in any order; a parameter that is unknown, or
          there twice without `*`, is no match.
        * Exploded variables give lists, all others text; maps are not found again.

        Upper and lower case in percent-encodings and encoded unreserved characters
        make no difference. Values are percent-decoded, so any text may come out of
        any variable: also "/" or "..", which a file path must not be made of.
        Takes time proportional to the length of the URI, whatever is in it.

        Returns:
            Mapping of variable name to value, without the variables that are missing;
            None if the URI is no expansion, or its encoding is not UTF-8.

        Raises:
            ValueError: The template was not parsed for matching.
        """
        try:
            return self.match_encoded(encode(uri))
        except UnicodeError:
            return None

    def match_encoded(self, uri: str) -> dict[str, str | list[str]] | None:
        """Find the values as `match` does, in what `protocol.uris.encode` gave."""
        return self._find(self._matcher, uri)

    def match_normal(self, uri: str) -> dict[str, str | list[str]] | None:
        """Find the values as `match` does, however template and URI are written.

        Upper and lower case in the scheme and in literal parts of the host, a default
        port, and an empty path of the web make no difference either.

        Args:
            uri: As `protocol.uris.normalize` writes it.

        Raises:
            ValueError: The template was not parsed for matching.

        Spec: RFC 3986, section 6.2.2 and 6.2.3.
        """
        return self._find(self._normal_matcher, uri)

    def _find(
        self, matcher: _Matcher | None, encoded: str
    ) -> dict[str, str | list[str]] | None:
        if matcher is None:
            raise ValueError(
                f"URI template {self.text!r} was parsed with for_matching=False; "
                "parse it without, to match URIs"
            )
        try:
            return matcher.match(encoded)
        except UnicodeError:
            return None

    def expand(self, values: Mapping[str, Value]) -> str:
        """Fill in the template.

        Args:
            values: Mapping of variable name to value. What is missing, None, or an
                empty list or map is undefined, and left out; other names are ignored.

        Raises:
            ValueError: A list or map was given for a variable with a prefix, `{var:3}`.

        Spec: RFC 6570, section 3, "Expansion".
        """
        return "".join(
            part.expand() if isinstance(part, Literal) else part.expand(values)
            for part in self._parts
        )


# Matching --------------------------------------------------------------------------


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
class _Matcher:
    """A regular expression, and what its groups stand for.

    Why it takes linear time: each repetition is possessive, so that it never gives
    back what it took, but for the one expression that spans segments. That one gives
    back a character at a time, and what follows it is tried only where the literal
    after it stands and looks no further than to the next such place (`_compile`).
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


def _compile(text: str, parts: Sequence[Part]) -> _Matcher:
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
    return _Matcher(re.compile("".join(patterns), re.DOTALL), tuple(captures))


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
    return f"(?:(?!{'|'.join(stops)}){characters})*+"
