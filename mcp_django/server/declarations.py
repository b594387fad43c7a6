"""Checks of what developers give to `Server(...)` and its decorators.

One wrong value in an entry makes clients refuse the whole list, so that it is an error
at once. Lazy text counts as text; it is not translated here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.utils.functional import Promise
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

_STANDS_FOR_TEXT = "-"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

MAX_WHOLE: Final = 2**53 - 1
"""The largest whole number that every program reads as it is. Spec: RFC 8259, 6."""


def check_texts(feature: str, **texts: object) -> None:
    """Refuse what is no text where text is wanted.

    Args:
        feature: What it is for, for messages, such as "tool 'ship'".
        texts: What was given, by argument; None for nothing.

    Raises:
        ValueError: One is no text, or cannot be written as UTF-8.
    """
    for argument, text in texts.items():
        if text is None or isinstance(text, Promise):
            continue
        if not isinstance(text, str):
            raise ValueError(f"{feature}: {argument} must be text, not {text!r}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{feature}: {argument} has {text[error.start]!r}, which cannot be "
                "written as UTF-8"
            ) from None


def check_fixed_texts(feature: str, **texts: object) -> None:
    """Refuse what is no text of one line for programs, the same in every language.

    Args:
        feature: What it is for, for messages, such as "tool 'ship'".
        texts: What was given, by argument; None for nothing.

    Raises:
        ValueError: One is no text, is lazy or blank, or has control characters.
    """
    for argument, text in texts.items():
        if text is None:
            continue
        if isinstance(text, Promise):
            raise ValueError(
                f"{feature}: {argument} must be the same in every language; give it "
                "as text that is not lazy"
            )
        check_texts(feature, **{argument: text})
        if not str(text).strip():
            raise ValueError(
                f"{feature}: {argument} is empty; leave it out, or give one"
            )
        if _CONTROL.search(str(text)):
            raise ValueError(
                f"{feature}: {argument} must have no line breaks or other control "
                f"characters, not {text!r}"
            )


def check_annotations(feature: str, given: object, form: type[BaseModel]) -> None:
    """Refuse annotations that no client reads, such as misspelt ones.

    Args:
        feature: What they are of, for messages.
        given: As an entry has them.
        form: The protocol's own model of them.

    Raises:
        ValueError: There is one that is unknown.
    """
    if not isinstance(given, Mapping):
        return  # which `check_entry` says
    known = {str(field.alias or name) for name, field in form.model_fields.items()}
    unknown = [key for key in given if isinstance(key, str) and key not in known]
    if unknown:
        raise ValueError(
            f"{feature}: annotations have {unknown!r}, which no client reads; there "
            f"are {sorted(known)!r}, and meta= for what is your own"
        )


def check_flags(feature: str, **flags: object) -> None:
    """Refuse what is neither True nor False, nor left out.

    Raises:
        ValueError: One is something else.
    """
    for argument, flag in flags.items():
        if flag is not None and not isinstance(flag, bool):
            raise ValueError(
                f"{feature}: {argument} must be True or False, not {flag!r}"
            )


def check_mappings(feature: str, **mappings: object) -> None:
    """Refuse what is no mapping, such as a dict.

    Raises:
        ValueError: One is something else.
    """
    for argument, mapping in mappings.items():
        if mapping is not None and not isinstance(mapping, Mapping):
            raise ValueError(f"{feature}: {argument} must be a dict, not {mapping!r}")


def check_count(feature: str, argument: str, count: object, *, least: int) -> None:
    """Refuse what is no whole number, or too small.

    Raises:
        ValueError: It is something else.
    """
    if count is None:
        return
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise ValueError(
            f"{feature}: {argument} must be a whole number of {least} or more, not "
            f"{count!r}"
        )
    if count > MAX_WHOLE:
        raise ValueError(
            f"{feature}: {argument} must be at most {MAX_WHOLE}, not {count!r}"
        )


def check_seconds(feature: str, argument: str, seconds: object) -> None:
    """Refuse what is no time that ends.

    Raises:
        ValueError: It is something else.
    """
    if seconds is None:
        return
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:  # type: ignore[operator]
        raise ValueError(
            f"{feature}: {argument} must be a finite number of seconds, more than "
            f"zero, not {seconds!r}"
        )


def check_entry(feature: str, entry: Mapping[str, Any], form: type[BaseModel]) -> None:
    """Refuse an entry that clients would refuse, and the list that it is in.

    Args:
        feature: What it is of, for messages.
        entry: What lists show of it.
        form: The protocol's own model of such an entry.

    Raises:
        ValueError: A member is of the wrong kind, or cannot be written as JSON.
    """
    try:
        form.model_validate_json(to_json(_with_plain_text(entry)), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        is_missing = fault["type"] == "missing"
        given = "missing" if is_missing else f"{fault['input']!r}"
        raise ValueError(
            f"{feature}: {place} is {given}; {fault['msg'].lower()}"
        ) from None
    except (PydanticSerializationError, ValueError) as error:
        raise ValueError(f"{feature} cannot be written as JSON: {error}") from error


def _with_plain_text(value: Any) -> Any:
    """Put a text for each lazy one, whose language is not known yet."""
    match value:
        case Promise():
            return _STANDS_FOR_TEXT
        case Mapping():
            return {
                _with_plain_text(key): _with_plain_text(item)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_with_plain_text(item) for item in value]
        case bytes() | bytearray():
            raise ValueError(f"{value!r} is no text")
        case _:
            return value


@contextmanager
def naming(feature: str) -> Iterator[None]:
    """Let what is wrong say what it is wrong with.

    Args:
        feature: Such as "tool 'ship'".

    Raises:
        ValueError: Anything was raised.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{feature}: {error}") from error
    except Exception as error:  # of what annotations do when they are looked at
        raise ValueError(f"{feature}: {type(error).__name__}: {error}") from error
