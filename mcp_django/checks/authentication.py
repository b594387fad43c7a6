"""Checks of the `MCP` setting, and of its authenticators."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticator_paths, is_open_to_all
from mcp_django.auth.interface import Authenticator
from mcp_django.checks.languages import mismatch_of_language
from mcp_django.conf import DEFAULTS
from mcp_django.consumers.origins import is_origin

_MAY_BE_ZERO = frozenset({"MAX_INBOX", "MAX_INBOX_BYTES", "ROOM_TIMEOUT"})
_TOKENS = "mcp_django.tokens"
_TOKEN_MODULE = "mcp_django.auth.tokens"


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
    if isinstance(default, int | float):
        kind = int if isinstance(default, int) else int | float
        may_be_zero = key in _MAY_BE_ZERO
        least = "zero or more" if may_be_zero else "more than zero"
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if is_number and (0 < value < math.inf or (value == 0 and may_be_zero)):
            return None
        return f"a {'whole' if kind is int else 'finite'} number, {least}"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a string"
    if default is None and value is None:
        return None
    if key == "LANGUAGE":
        return mismatch_of_language(value)
    if key == "EVENT_STORE_CACHE":
        return None if isinstance(value, str) else "the alias of a cache, or None"
    are_strings = isinstance(value, list | tuple) and all(
        isinstance(item, str) for item in value
    )
    if key == "ALLOWED_ORIGINS":
        if are_strings and all(is_origin(item.rstrip("/")) for item in value):
            return None
        return "a list of origins such as 'https://app.example', without a path"
    return None if are_strings else "a list of strings"


def check_authentication(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find authenticators that are none, and sites that need none."""
    if any(faults_of_setting()):
        return []
    if is_open_to_all():
        return [] if settings.DEBUG else [_open_to_all()]
    paths = authenticator_paths()
    if not paths:
        return [
            checks.Error(
                "No MCP client can prove who its user is: MCP['AUTHENTICATION'] is not "
                "set, and the default needs an app that is not installed.",
                hint="Add 'django.contrib.sessions' or 'mcp_django.tokens' to "
                "INSTALLED_APPS.",
                id="mcp_django.E008",
            )
        ]
    return [message for path in paths for message in faults_of_authenticator(path)]


def _open_to_all() -> checks.CheckMessage:
    return checks.Warning(
        "MCP['AUTHENTICATION'] is [], so everybody who reaches the site may use every "
        "MCP feature that needs no permission.",
        hint="Leave MCP['AUTHENTICATION'] out to accept login sessions and tokens, or "
        "silence this check if all of it is meant to be public.",
        id="mcp_django.W007",
    )


def faults_of_authenticator(path: str) -> Iterator[checks.CheckMessage]:
    """Say what is wrong with a dotted path in `MCP["AUTHENTICATION"]`."""
    if path.startswith(f"{_TOKEN_MODULE}.") and not apps.is_installed(_TOKENS):
        yield _tokens_missing(path)
        return
    try:
        authenticator = import_string(path)
    except Exception as error:  # Whatever the module does when it is imported.
        yield checks.Error(
            f"The authenticator {path!r} cannot be imported: {error}",
            hint="MCP['AUTHENTICATION'] lists dotted paths of classes.",
            id="mcp_django.E004",
        )
        return
    if not _is_authenticator(authenticator):
        yield checks.Error(
            f"{path!r} in MCP['AUTHENTICATION'] is not an authenticator.",
            hint="Name a subclass of mcp_django.auth.interface.Authenticator that has "
            "both methods and can be created without arguments.",
            id="mcp_django.E005",
        )
    elif not apps.is_installed(_TOKENS) and any(
        base.__module__ == _TOKEN_MODULE for base in authenticator.__mro__
    ):
        yield _tokens_missing(path)


def _tokens_missing(path: str) -> checks.CheckMessage:
    return checks.Error(
        f"The authenticator {path!r} needs an app that is not installed.",
        hint=f"Add {_TOKENS!r} to INSTALLED_APPS and run migrate.",
        id="mcp_django.E006",
    )


def _is_authenticator(thing: Any) -> bool:
    if not isinstance(thing, type) or not issubclass(thing, Authenticator):
        return False
    try:
        inspect.signature(thing).bind()
    except (TypeError, ValueError):
        return False
    return not inspect.isabstract(thing)
