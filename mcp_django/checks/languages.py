"""What `MCP["LANGUAGE"]` may be."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from mcp_django.server.languages import is_code, supported_language


def mismatch_of_language(value: Any) -> str | None:
    """Say what a value of `MCP["LANGUAGE"]` should be; None if it is that."""
    if is_code(value):
        if supported_language(value) is not None:
            return None
        return (
            "the code of one of LANGUAGES, such as 'en', or a function from the "
            "context to one, or its dotted path"
        )
    if isinstance(value, str):
        try:
            value = import_string(value)
        except Exception as error:  # Whatever the module does when it is imported.
            return f"the dotted path of a function, but {error}"
    return None if callable(value) else "a function from the context to a language"
