"""Which resource a URI names, however it is written.

A URI is looked up as it is written first, so that nothing that a developer registered
is hidden by something like it; then in its normal form. Two URIs have the same key if
they are the same by RFC 3986, or if one template gives the same arguments for both:
clients that subscribed to one of them are told of the other.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from itertools import chain
from typing import Any, Final, TypeAlias

from pydantic_core import PydanticSerializationError, to_jsonable_python

from mcp_django.protocol.jsonrpc import JSON
from mcp_django.protocol.uris import MAX_CHARACTERS, encode, fold, normalize
from mcp_django.server.features import Resource

_MAX_KEPT: Final = 1000

Match: TypeAlias = tuple[Resource, Mapping[str, Any]]


def matches(resources: Mapping[str, Resource], uri: str) -> Iterator[Match]:
    """Give what may be read at a URI, the best first, each resource once.

    Args:
        resources: By URI or template.
        uri: As a client wrote it; nothing is found where it is too long.

    Yields:
        The resource, and the values of its template's variables.
    """
    if len(uri) > MAX_CHARACTERS:
        return
    seen = set()
    for resource, arguments in _matches_of_any_form(resources, uri):
        if resource.uri not in seen:
            seen.add(resource.uri)
            yield resource, arguments


def referred(resources: Mapping[str, Resource], uri: str) -> Resource | None:
    """Find a resource by its own URI or template, however that is written."""
    if uri in resources or len(uri) > MAX_CHARACTERS:
        return resources.get(uri)
    normal = normalize(uri)
    folded = fold(normal)
    found = [r for r in resources.values() if r.folded_uri == folded]
    return next((r for r in found if r.normal_uri == normal), None) or next(
        iter(found), None
    )


class ResourceKeys:
    """Names resources: the same for each way to write a URI, in each worker.

    A notice is compared with what many clients subscribed to; so the names that were
    asked for last are kept.

    Args:
        resources: By URI or template. What is added later may change the names.
    """

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources
        self._count = 0
        self._kept: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        """Count the names that are kept."""
        return len(self._kept)

    def of(self, uri: str) -> str:
        """Name the resource at a URI, as any program wrote it."""
        if len(uri) > MAX_CHARACTERS:
            return uri
        if self._count != len(self._resources):
            self._count = len(self._resources)
            self._kept.clear()
        key = self._kept.get(uri)
        if key is None:
            key = self._kept[uri] = _key_of(self._resources, uri)
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        return key


def _matches_of_any_form(
    resources: Mapping[str, Resource], uri: str
) -> Iterator[Match]:
    yield from _matches_as_written(resources, uri)
    yield from _matches_of_normal(resources, normalize(uri))


def _matches_as_written(resources: Mapping[str, Resource], uri: str) -> Iterator[Match]:
    fixed = resources.get(uri)
    if fixed is not None and fixed.template is None:
        yield fixed, {}
    try:
        encoded = encode(uri)  # once, however many templates there are
    except UnicodeError:
        return
    for resource in resources.values():
        if resource.template is not None:
            arguments = resource.template.match_encoded(encoded)
            if arguments is not None:
                yield resource, arguments


def _matches_of_normal(resources: Mapping[str, Resource], uri: str) -> Iterator[Match]:
    for resource in resources.values():
        if resource.template is None and resource.normal_uri == uri:
            yield resource, {}
    for resource in resources.values():
        if resource.template is not None:
            arguments = resource.template.match_normal(uri)
            if arguments is not None:
                yield resource, arguments
    folded = fold(uri)
    for resource in resources.values():
        if resource.template is None and resource.folded_uri == folded:
            yield resource, {}


def _key_of(resources: Mapping[str, Resource], uri: str) -> str:
    fixed = resources.get(uri)
    if fixed is not None and fixed.template is None:
        return uri
    normal = normalize(uri)
    # The normal form first: it is what all ways to write the URI have in common.
    found = next(
        chain(
            _matches_of_normal(resources, normal), _matches_as_written(resources, uri)
        ),
        None,
    )
    if found is None:
        return normal
    resource, arguments = found
    if resource.template is None:
        return resource.uri
    return json.dumps([resource.uri, _written(resource, arguments)])


def _written(resource: Resource, arguments: Mapping[str, Any]) -> JSON:
    """Write the arguments that a handler gets; the same for those that are equal."""
    try:
        typed: Mapping[str, Any] = resource.handler.signature.arguments(arguments)
    except Exception:  # They do not fit, or a validator of the site's own failed.
        typed = arguments
    return [
        [name, _text_of(typed[name], arguments.get(name))] for name in sorted(typed)
    ]


def _text_of(value: Any, raw: Any) -> JSON:
    """Write a value as JSON.

    Args:
        value: As the handler gets it.
        raw: As the URI has it, for what cannot be written.
    """
    match value:
        case str() | bytes() | Enum():
            return _plain_text_of(value, raw)
        case Mapping():
            pairs = ([str(key), _text_of(item, raw)] for key, item in value.items())
            return sorted(pairs)
        case AbstractSet():
            return sorted(json.dumps(_text_of(item, raw)) for item in value)
        case Sequence():
            return [_text_of(item, raw) for item in value]
    return _plain_text_of(value, raw)


def _plain_text_of(value: Any, raw: Any) -> JSON:
    """Write a value that is no container; equal ones alike."""
    match value:
        case Enum():
            return _text_of(value.value, raw)
        case datetime() if value.tzinfo is not None:
            return _moment(value)
        case Decimal():
            return _number(value)
        case float():
            return repr(value + 0.0)  # there are two zeros
        case bytes():
            return value.hex()
    try:
        written: JSON = to_jsonable_python(value)
    except (PydanticSerializationError, ValueError):
        return raw if isinstance(raw, str | list) else None
    return written


def _moment(value: datetime) -> str:
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError:  # at the ends of the calendar
        return value.isoformat()


def _number(value: Decimal) -> str:
    """Write a number without the zeros at its end, which make no difference."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    text = "".join(map(str, digits))
    short = text.rstrip("0")
    if not short:
        return "0"
    return f"{'-' * sign}{short.lstrip('0')}E{exponent + len(text) - len(short)}"
