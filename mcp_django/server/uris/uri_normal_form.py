"""The normal form of a URI template, by which URIs match that are written otherwise.

Pure: no I/O, no Django.

Spec: RFC 3986, section 6.2.2 and 6.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mcp_django.protocol.uris import WEB_PORTS, normalize_authority
from mcp_django.server.uris.uri_expressions import Expression, Literal, Part

_BEGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//)?")
_PATH = re.compile(r"[/?#]")


def normal(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Write the scheme and host of a template as `protocol.uris.normalize` does.

    What a host consists of beside variables may be in any case.
    """
    first = parts[0] if parts else None
    begin = _BEGIN.match(first.text) if isinstance(first, Literal) else None
    if not isinstance(first, Literal) or begin is None:
        return tuple(parts)
    scheme, rest = begin[1].lower(), first.text[begin.end() :]
    if begin[2] is None:
        return (Literal(f"{scheme}:{rest}"), *parts[1:])
    path = _PATH.search(rest)
    is_whole = path is not None or len(parts) == 1 or _begins_path(parts[1])
    if not is_whole:
        literal = f"{scheme}://{rest}"
        return (Literal(literal, caseless=len(literal)), *_caseless(parts[1:]))
    end = len(rest) if path is None else path.start()
    authority, rest = normalize_authority(scheme, rest[:end]), rest[end:]
    begin_text = f"{scheme}://{authority}"
    caseless = len(begin_text)
    is_empty = not rest.startswith("/") if rest else not _is_path(parts[1:])
    if scheme in WEB_PORTS and is_empty:
        begin_text += "/"
    return (Literal(begin_text + rest, caseless=caseless), *parts[1:])


def _caseless(parts: Sequence[Part]) -> Iterator[Part]:
    """Let the literals of a host that has variables be in any case."""
    in_host = True
    for part in parts:
        if in_host and isinstance(part, Literal):
            path = _PATH.search(part.text)
            in_host = path is None
            end = len(part.text) if path is None else path.start()
            yield Literal(part.text, caseless=end)
        else:
            in_host = in_host and not _begins_path(part)
            yield part


def _begins_path(part: Part) -> bool:
    """Say whether an expression begins what follows the host."""
    return isinstance(part, Expression) and part.operator in ("/", "?", "#")


def _is_path(rest: Sequence[Part]) -> bool:
    """Say whether what follows the host may be a path."""
    return bool(rest) and isinstance(rest[0], Expression) and rest[0].operator == "/"
