"""URIs: which of them name the same resource.

Peers write a URI in several ways, and some libraries change it on the way: `HTTP` for
`http`, `%c3` for `%C3`, `%7E` for `~`, `https://example.com` for `https://example.com/`.
What RFC 3986 says is the same, is treated so, and nothing else: `%2F` is no `/`.

Two functions, because schemes that a site made up (`note://Ann`) often have a name
where the web has a host. `normalize` changes nothing that such a scheme may mean.
`fold` goes as far as the RFC does for every scheme; take it where a mistake costs
little.

Spec: RFC 3986, section 6.2.2 and 6.2.3; RFC 3987, section 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

MAX_CHARACTERS: Final = 8000
"""Longest URI that is looked at; as long as common servers take URLs."""

RESERVED: Final = ":/?#[]@!$&'()*+,;="
"""Characters that may stand in a URI for themselves, but mean something there.

Spec: RFC 3986, section 2.2.
"""

WEB_PORTS: Final[Mapping[str, str]] = {
    "ftp": "21",
    "http": "80",
    "https": "443",
    "ws": "80",
    "wss": "443",
}
"""Schemes whose authority is a host of the web, with their default ports."""

_TRIPLET: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_WRITTEN: Final = {f"%{n:02X}": quote(bytes([n]), safe="") for n in range(256)}
"""Percent-encodings as they are written: of unreserved characters these themselves."""

_URI: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]*):(?://([^/?#]*+))?([^?#]*+)(\?[^#]*+)?(#.*+)?",
    re.DOTALL,
)
_HOST_AND_PORT: Final = re.compile(r"(\[[^\]]*+\]|[^:]*+)(?::([0-9]*+))?")
_MARKS: Final = re.compile(f"[{re.escape(RESERVED)}%]")
_MAX_HOST_CHARACTERS: Final = 255


def normalize(uri: str) -> str:
    """Write a URI as others that mean the same are written.

    * Percent-encodings are in upper case, those of unreserved characters are decoded,
      and what a URI cannot contain is encoded, as UTF-8.
    * The scheme is in lower case, an empty port is left out, and "." and ".." are
      resolved in paths that begin with "/".
    * For schemes of the web, the host is in lower case and ASCII, the default port is
      left out, and an empty path is "/".

    Takes time proportional to the length, which callers bound by `MAX_CHARACTERS`.

    Returns:
        The URI; text that is none, such as a relative reference or a template, with
        its characters encoded; text with lone surrogates as it is.
    """
    try:
        return _normalize(uri)
    except UnicodeError:
        return uri


def fold(uri: str) -> str:
    """Write a URI as others that mean the same by the RFC, whatever the scheme.

    More than `normalize` does: hosts are in lower case, empty paths after a host are
    "/", and "'" is encoded in queries of the web, as browsers do.
    """
    uri = normalize(uri)
    parts = _URI.fullmatch(uri)
    if parts is None:
        return uri
    scheme, authority, path, query, fragment = parts.groups()
    if scheme in WEB_PORTS and query:
        query = query.replace("'", "%27")
    if authority is None:
        return _join(scheme, None, path, query, fragment)
    user, at, host = authority.rpartition("@")
    return _join(scheme, f"{user}{at}{_lower(host)}", path or "/", query, fragment)


class UriSet:
    """URIs as their authors wrote them, found by any way to write them; in order.

    Args:
        key_of: Gives the same text for all URIs that name one resource.
    """

    __slots__ = ("_key_of", "_written")

    def __init__(self, key_of: Callable[[str], str] = normalize) -> None:
        self._key_of = key_of
        # Key of a resource -> the URIs that name it, a set in all but type.
        self._written: dict[str, dict[str, None]] = {}

    def __iter__(self) -> Iterator[str]:
        """Give all of them."""
        return iter([uri for uris in self._written.values() for uri in uris])

    def __len__(self) -> int:
        """Count them, each way to write one by itself."""
        return sum(map(len, self._written.values()))

    def __contains__(self, uri: str) -> bool:
        """Say whether one of them names the same resource."""
        return self._key_of(uri) in self._written

    def written(self, uri: str) -> list[str]:
        """Give those that name the same resource as a URI."""
        return list(self._written.get(self._key_of(uri), ())) if self._written else []

    def add(self, uri: str) -> None:
        """Take one in."""
        self._written.setdefault(self._key_of(uri), {})[uri] = None

    def remove(self, uri: str) -> list[str]:
        """Take one out; all that name the same if none is written so.

        Returns:
            What was taken out.
        """
        key = self._key_of(uri)
        uris = self._written.get(key, {})
        removed = [uri] if uri in uris else list(uris)
        for one in removed:
            del uris[one]
        if not uris:
            self._written.pop(key, None)
        return removed

    def clear(self) -> None:
        """Take all of them out."""
        self._written.clear()


def encode(text: str) -> str:
    """Encode what a URI cannot contain, and write encodings in the one way.

    Raises:
        UnicodeError: It contains a lone surrogate.

    Spec: RFC 3986, section 6.2.2.1 and 6.2.2.2; RFC 3987, section 3.1.
    """
    if "%" in text:
        text = _TRIPLET.sub(lambda triplet: _WRITTEN[triplet[0].upper()], text)
    return quote(text, safe=RESERVED + "%")


def normalize_authority(scheme: str, authority: str) -> str:
    """Write user, host and port as `normalize` does.

    Args:
        scheme: In lower case.
        authority: What stands between "//" and the path.

    Raises:
        UnicodeError: It contains a lone surrogate.
    """
    user, at, rest = authority.rpartition("@")
    parts = _HOST_AND_PORT.fullmatch(rest)
    host, port = (rest, None) if parts is None else parts.groups()
    if scheme in WEB_PORTS:
        host = _web_host(host)
    shown = f":{port}" if port and port != WEB_PORTS.get(scheme) else ""
    return f"{encode(user)}{at}{encode(host)}{shown}"


def _normalize(uri: str) -> str:
    parts = _URI.fullmatch(uri)
    if parts is None:
        return encode(uri)
    scheme, authority, path, query, fragment = parts.groups()
    scheme, path = scheme.lower(), encode(path)
    if path.startswith("/"):
        resolved = _without_dots(path)
        # Without an authority, "//" would begin one.
        is_kept = authority is None and resolved.startswith("//")
        path = path if is_kept else resolved
    elif authority is not None and not path and scheme in WEB_PORTS:
        path = "/"
    if authority is not None:
        authority = normalize_authority(scheme, authority)
    return _join(scheme, authority, path, encode(query or ""), encode(fragment or ""))


def _join(
    scheme: str,
    authority: str | None,
    path: str,
    query: str | None,
    fragment: str | None,
) -> str:
    host = "" if authority is None else f"//{authority}"
    return f"{scheme}:{host}{path}{query or ''}{fragment or ''}"


def _web_host(host: str) -> str:
    """Write a host as the name that is looked up.

    Spec: RFC 3490 (IDNA).
    """
    written = _lower(encode(host))
    if "%" not in written or len(host) > _MAX_HOST_CHARACTERS:
        return written
    try:
        name = unquote(written, errors="strict").lower()
        return written if _MARKS.search(name) else name.encode("idna").decode()
    except UnicodeError:
        return written


def _lower(host: str) -> str:
    """Write in lower case what is not percent-encoded."""
    lower = host.lower()
    return _TRIPLET.sub(lambda triplet: triplet[0].upper(), lower)


def _without_dots(path: str) -> str:
    """Resolve "." and ".." in a path that begins with "/".

    Spec: RFC 3986, section 5.2.4.
    """
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path[1:].split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
