"""Checks of the `MCP` setting itself."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.conf import DEFAULTS
from mcp_django.consumers.origins import is_origin
from mcp_django.server.languages import is_code, supported_language

_MAY_BE_ZERO: Final = frozenset(
    {
        "CREDENTIAL_CACHE_SECONDS",
        "MAX_INBOX",
        "MAX_INBOX_BYTES",
        "MAX_STREAM_SECONDS",
        "REFRESH_GRACE_SECONDS",
        "ROOM_TIMEOUT",
    }
)


def _is_public_origin(text: str) -> bool:
    """Say whether a text is an origin of the web; a slash may follow."""
    is_of_web = text.lower().startswith(("http://", "https://"))
    return is_of_web and is_origin(text.removesuffix("/"))


_MAY_BE_NONE: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "EVENT_STORE_CACHE": (lambda text: True, "the alias of a cache, or None"),
    "PUBLIC_URL": (
        _is_public_origin,
        "an origin such as 'https://site.example', without a path, or None",
    ),
    "SITE_NAME": (lambda text: bool(text.strip()), "a name, or None"),
}
"""Keys of texts that may be None: whether a text is right, and what it has to be."""


def check_setting(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find unknown keys and wrong values in `settings.MCP`."""
    return list(faults_of_setting())


def faults_of_setting() -> Iterator[checks.CheckMessage]:
    """Say what is wrong with `settings.MCP`; nothing else can be read before."""
    given = getattr(settings, "MCP", {})
    if not isinstance(given, dict):
        yield checks.Error(
            f"settings.MCP is {given!r}, not a dictionary.",
            hint="Write MCP = {...}, or leave it out to have the defaults.",
            id="mcp_django.E001",
        )
        return
    for key, value in given.items():
        if key not in DEFAULTS:
            close = difflib.get_close_matches(str(key).upper(), DEFAULTS, n=1)
            yield checks.Error(
                f"settings.MCP has the unknown key {key!r}.",
                hint=f"Did you mean {close[0]!r}?"
                if close
                else f"The keys are {', '.join(sorted(DEFAULTS))}.",
                id="mcp_django.E002",
            )
        elif expected := _mismatch(key, value):
            yield checks.Error(
                f"settings.MCP[{key!r}] is {value!r}.",
                hint=f"It has to be {expected}.",
                id="mcp_django.E003",
            )


def _mismatch(key: str, value: Any) -> str | None:
    """Say what a value should be; None if it is that."""
    default = DEFAULTS[key]
    if key in _MISMATCHES:
        return _MISMATCHES[key](value)
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "True or False"
    if isinstance(default, int | float):
        return _mismatch_of_number(key, value)
    if isinstance(default, str):
        return None if isinstance(value, str) else "a string"
    if default is None and value is None:
        return None
    if key in _MAY_BE_NONE:
        is_right, expected = _MAY_BE_NONE[key]
        return None if isinstance(value, str) and is_right(value) else expected
    return _mismatch_of_strings(key, value)


def _mismatch_of_strings(key: str, value: Any) -> str | None:
    """Say what the value of a key that is a list should be; None if it is that."""
    are_strings = isinstance(value, list | tuple) and all(
        isinstance(item, str) for item in value
    )
    if key == "ALLOWED_ORIGINS":
        if are_strings and all(is_origin(item.rstrip("/")) for item in value):
            return None
        return "a list of origins such as 'https://app.example', without a path"
    return None if are_strings else "a list of strings"


def _mismatch_of_number(key: str, value: Any) -> str | None:
    """Say what the value of a key that is a number should be; None if it is that."""
    kind = int if isinstance(DEFAULTS[key], int) else int | float
    may_be_zero = key in _MAY_BE_ZERO
    least = "zero or more" if may_be_zero else "more than zero"
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if is_number and (0 < value < math.inf or (value == 0 and may_be_zero)):
        return None
    return f"a {'whole' if kind is int else 'finite'} number, {least}"


def _mismatch_of_number_or_none(value: Any) -> str | None:
    """Say what a value that may be None should be; None if it is that."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (is_number and 0 < value < math.inf):
        return None
    return "a finite number, more than zero, or None"


def _mismatch_of_function(value: Any) -> str | None:
    """Say what a value of `MCP["AUDIT_DETAILS"]` should be; None if it is that."""
    if isinstance(value, str):
        try:
            value = import_string(value)
        except Exception as error:  # Whatever the module does when it is imported.
            return f"the dotted path of a function, but {error}"
    if value is None or (callable(value) and not iscoroutinefunction(value)):
        return None
    return (
        "a function from the context and the arguments to JSON, or its dotted path; "
        "it cannot be `async def`, because nothing waits for it"
    )


def _mismatch_of_language(value: Any) -> str | None:
    """Say what a value of `MCP["LANGUAGE"]` should be; None if it is that."""
    if value is None:
        return None
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


def _mismatch_of_servers(value: Any) -> str | None:
    # What is in it is the business of `mcp_django.accounts`.
    return None if isinstance(value, dict) else "a dictionary of servers by name"


def _mismatch_of_counted(value: Any) -> str | None:
    return None if value in ("user", "token") else "'user' or 'token'"


def _mismatch_of_folder(value: Any) -> str | None:
    """Say what the path of a folder should be; None if it is that."""
    is_path = isinstance(value, str | Path) and Path(value).is_absolute()
    return None if value is None or is_path else "an absolute path, or None"


_MISMATCHES: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "AUDIT_DAYS": _mismatch_of_number_or_none,
    "AUDIT_DETAILS": _mismatch_of_function,
    "LANGUAGE": _mismatch_of_language,
    "MAX_RATE": _mismatch_of_number_or_none,
    "OTHER_SERVERS": _mismatch_of_servers,
    "RATE_FOR": _mismatch_of_counted,
    "TRACE_DIR": _mismatch_of_folder,
}
"""Of keys whose default does not say what they have to be."""


def values() -> Mapping[str, Any]:
    """Give the value of each key, given or default, which need not be a right one."""
    given = getattr(settings, "MCP", {})
    return {**DEFAULTS, **given} if isinstance(given, dict) else DEFAULTS
