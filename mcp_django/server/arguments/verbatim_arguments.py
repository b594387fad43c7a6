"""Arguments by a JSON Schema that the developer wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.server.arguments.accepted import EMPTY, Accepted
from mcp_django.server.arguments.argument_work import ArgumentWork
from mcp_django.server.arguments.invalid_arguments import check_rest, invalid, no_json
from mcp_django.server.schemas.json_schema import MISSING, shown_name, unexpected
from mcp_django.server.schemas.verbatim_schemas import TOO_MUCH_WORK, VerbatimSchema


class VerbatimArguments:
    """Validates arguments by the developer's own JSON Schema and passes them on."""

    def __init__(self, schema: VerbatimSchema, accepted: Accepted, name: str) -> None:
        self._schema = schema
        self._accepted = accepted
        self._required = [
            parameter
            for parameter, (_, default) in accepted.named.items()
            if default is EMPTY
        ]
        self._work = ArgumentWork()
        self._name = name

    def read(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Turn arguments into keyword arguments, as `Signature.arguments` says."""
        given = {} if given is None else given
        try:
            text = to_json(given, fallback=dict)
            self._work.check(given, text)
            values = from_json(text)
        except TooMuchWork:
            raise invalid(self._name, TOO_MUCH_WORK) from None
        except ValueError as error:
            raise invalid(self._name, no_json(error)) from None
        try:
            problems = self._schema.problems(values, size=len(text))
        except TooMuchWork:
            problems = TOO_MUCH_WORK
        if problems:
            raise invalid(self._name, problems)
        # The schema may leave open what the function does not.
        for parameter in self._required:
            if parameter not in values:
                raise invalid(self._name, f"{parameter}: {MISSING}")
        rest = values.keys() - self._accepted.named.keys()
        if rest and self._accepted.rest is EMPTY:
            expected = list(self._accepted.named)
            raise invalid(
                self._name, f"{shown_name(min(rest))}: {unexpected(expected)}"
            )
        check_rest(rest, self._accepted.taken, self._name)
        return dict(values)
