"""Lazy texts, such as those of `gettext_lazy`: found when a feature is registered, and
translated for each request.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from copy import copy
from typing import Any, Final, TypeAlias, TypeVar

from django.utils.functional import Promise
from pydantic import BaseModel

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject

T = TypeVar("T")

logger = FaultLog("mcp_django.server")

Translate: TypeAlias = Callable[[Promise], Any]
OnFailure: TypeAlias = Callable[[str, BaseException], None]
"""Is told where the text is, such as "icons.0.src", and what it raised."""

Text: TypeAlias = str | Promise
"""What people read: a text, or one that is translated for each request."""

_ONE_BY_ONE = (Iterator, KeysView, ValuesView, ItemsView)
_SERIES: tuple[Any, ...] = (list, tuple, set, frozenset, deque)
_ATOMS = frozenset({str, int, float, bool, bytes, type(None)})

# Whatever else is written as JSON, in either direction: a last resort, in the language
# that is active then.
jsonrpc.stand_in.register(Promise, str)


_LEFT_OUT: Final = object()
_NOTHING_WITHOUT: Final = frozenset({"src", "const"})
"""Members without which what they are in says nothing, or something else."""

UNTRANSLATED = "\0untranslated"
"""Stands for a lazy text where it must not be translated yet."""


def has_lazy_text(value: object) -> bool:
    """Say whether there is a lazy text in a value; none is translated for that."""
    return untranslated(value) is not value


def untranslated(value: T) -> T:
    """Put `UNTRANSLATED` in the place of the lazy texts in a value.

    When features are registered, Django may not be ready to translate.
    """
    return _replace(value, lambda text: UNTRANSLATED)


def plain(value: T) -> T:
    """Translate the lazy texts in a value into the language that is active now.

    Containers, dataclasses and pydantic models are looked into.

    Returns:
        The value itself if there is none in it, else a copy of the parts that have
        some.
    """
    return _replace(value, str)


def readable(entry: JSONObject, what: str) -> JSONObject:
    """Translate an entry of a list, without the texts that cannot be made.

    Lazy texts are code of the site: one that raises must not keep others from being
    listed. An icon without its URL is left out as a whole.

    Args:
        entry: What is shown of a feature or a server.
        what: What it is of, for the log, such as "tool 'ship'".
    """
    try:
        translated: JSONObject = _plain(entry, _made)
        return translated
    except BaseException:  # whatever the site's code raises
        pass

    def log(place: str, error: BaseException) -> None:
        text = f"{place} of {what}"
        logger.error(
            "%s is left out, as it cannot be made; mend what makes it",
            text,
            exc_info=error,
            of=text,
        )

    return without_failing(entry, log)


def without_failing(entry: JSONObject, on_failure: OnFailure) -> JSONObject:
    """Translate an entry, and leave out what cannot be made."""
    left = _left_of(entry, (), on_failure)
    return {} if left is _LEFT_OUT else left


def listed(value: Any) -> Any:
    """Make a list of what can be read only once, or not by place."""
    return list(value) if isinstance(value, _ONE_BY_ONE) else value


def settled(error: ErrorAnswer) -> ErrorAnswer:
    """Translate the texts of an error that is the answer.

    Its message may be anything that `str` makes a text of, as for `ToolError`.

    Returns:
        The error itself if all are texts; else a copy, because the same one may be
        raised again, in another language.
    """
    fields = {"args": error.args, **error.__dict__}
    translated = plain(fields)
    if not isinstance(translated["message"], str):
        translated = {**translated, "message": str(translated["message"])}
    if translated is fields:
        return error
    copied = type(error).__new__(type(error))
    copied.args = translated.pop("args")
    copied.__dict__.update(translated)
    return copied


def _replace(value: T, translate: Translate) -> T:
    try:
        replaced: T = _plain(value, translate)
    except RecursionError:
        # The function that writes it says that it is nested too deeply.
        return value
    return replaced


def _plain(value: Any, translate: Translate) -> Any:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if isinstance(value, Promise):
        return translate(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value, translate)
    for base in _SERIES:
        if isinstance(value, base):
            return _plain_series(value, base, translate)
    if isinstance(value, BaseModel):
        changed = _changed(value.__dict__, translate)
        extra = _changed(value.__pydantic_extra__ or {}, translate)
        return value.model_copy(update=changed | extra) if changed or extra else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain_dataclass(value, translate)
    return value


def _made(text: Promise) -> str:
    """Translate a text that is sent to every client.

    Raises:
        BaseException: Its code raised it; also because it cannot be written as UTF-8.
    """
    made = str(text)
    made.encode()
    return made


def _left_of(value: Any, path: tuple[object, ...], on_failure: OnFailure) -> Any:
    """Translate what can be; give `_LEFT_OUT` where nothing is left."""
    if isinstance(value, Mapping):
        return _left_of_mapping(value, path, on_failure)
    if isinstance(value, list | tuple):
        items = (_left_of(v, (*path, i), on_failure) for i, v in enumerate(value))
        return [item for item in items if item is not _LEFT_OUT]
    try:
        return _plain(value, _made)
    except BaseException as error:  # whatever the site's code raises
        on_failure(".".join(map(str, path)), error)
        return _LEFT_OUT


def _left_of_mapping(
    value: Mapping[Any, Any], path: tuple[object, ...], on_failure: OnFailure
) -> Any:
    left: dict[Any, Any] = {}
    for position, (key, item) in enumerate(value.items()):
        name = _left_of(key, (*path, f"key {position}"), on_failure)
        if name is _LEFT_OUT:
            continue
        found = _left_of(item, (*path, name), on_failure)
        if found is not _LEFT_OUT:
            left[name] = found
        elif name in _NOTHING_WITHOUT:
            return _LEFT_OUT
    return left


def _plain_mapping(value: Mapping[Any, Any], translate: Translate) -> Mapping[Any, Any]:
    translated: dict[Any, Any] = {}
    is_same = True
    for key, item in value.items():
        new_key, new_item = _plain(key, translate), _plain(item, translate)
        is_same = is_same and new_key is key and new_item is item
        translated[new_key] = new_item
    return value if is_same else translated


def _plain_series(value: Any, base: Any, translate: Translate) -> Any:
    items = [_plain(item, translate) for item in value]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    # A named tuple is made of its fields, one by one.
    return type(value)(*items) if hasattr(value, "_fields") else base(items)


def _plain_dataclass(value: Any, translate: Translate) -> Any:
    fields = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if hasattr(value, field.name)
    }
    changed = _changed(fields, translate)
    if not changed:
        return value
    copied = copy(value)
    for name, text in changed.items():
        object.__setattr__(copied, name, text)  # which a frozen one has as well
    return copied


def _changed(fields: Mapping[str, Any], translate: Translate) -> dict[str, Any]:
    translated = {name: _plain(value, translate) for name, value in fields.items()}
    return {
        name: value for name, value in translated.items() if value is not fields[name]
    }
