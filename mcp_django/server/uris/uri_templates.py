"""URI templates (RFC 6570): which resource is meant by a URI, and the way back.

RFC 6570 defines how a template expands. It leaves matching open, because different
values may expand to the same URI. `UriTemplate.match` therefore follows rules of its
own, written in its docstring, and templates that no rule would do for are refused when
they are parsed. Pure: no I/O, no Django.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcp_django.protocol.uris import encode
from mcp_django.server.uris.uri_expressions import (
    Expression,
    Literal,
    Part,
    Value,
    parse,
)
from mcp_django.server.uris.uri_matching import Matcher, matcher_of
from mcp_django.server.uris.uri_normal_form import normal


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
    _matcher: Matcher | None = field(compare=False, repr=False)
    _normal_matcher: Matcher | None = field(compare=False, repr=False)

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
            matcher_of(text, parts) if for_matching else None,
            matcher_of(text, normal(parts)) if for_matching else None,
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
        any variable: also "/" or "..", which `screening` finds.
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
        self, matcher: Matcher | None, encoded: str
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
