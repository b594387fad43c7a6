"""Docstrings of handlers, in the styles of Google, NumPy and Sphinx."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import docstring_parser
from docstring_parser.common import (
    DocstringParam,
    DocstringRaises,
    DocstringReturns,
    DocstringStyle,
)

_TAKEN_OUT = (DocstringParam, DocstringReturns, DocstringRaises)
"""Sections of docstrings that are told by schemas, or not the model's business."""


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says of the whole, and of each parameter."""

    description: str | None
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str | None) -> Docstring:
        """Read a docstring.

        Args:
            text: With its indentation cleaned; None if there is none.
        """
        if not text:
            return cls(None, {})
        # With a line in front, as the parser cleans indentation once more.
        parsed = docstring_parser.parse("\n" + text)
        if not any(isinstance(meta, _TAKEN_OUT) for meta in parsed.meta):
            # The parser may have seen a section in what is none.
            return cls(text, {})
        return cls(
            _description(parsed),
            {
                name: " ".join(parameter.description.split())
                for parameter in parsed.params
                if parameter.description
                for name in parameter.arg_name.split(", ")
            },
        )

    def describe(
        self, properties: Mapping[str, dict[str, object]], parameters: Iterable[str]
    ) -> None:
        """Add descriptions to the properties of parameters that have none yet."""
        for property_, parameter in zip(properties.values(), parameters, strict=True):
            if parameter in self.parameters:
                property_.setdefault("description", self.parameters[parameter])


def _description(docstring: docstring_parser.Docstring) -> str | None:
    """Put together what a docstring says beside its `_TAKEN_OUT` sections."""
    separator = "\n\n" if docstring.blank_after_short_description else "\n"
    paragraphs = [
        separator.join(
            filter(None, (docstring.short_description, docstring.long_description))
        )
    ]
    if docstring.style is not DocstringStyle.REST:
        paragraphs += [
            f"{meta.args[0].capitalize()}:\n"
            + textwrap.indent(meta.description or "", "    ")
            for meta in docstring.meta
            if not isinstance(meta, _TAKEN_OUT)
        ]
    return "\n\n".join(paragraphs).strip() or None
