"""Where a client may have users sent back to: what a redirect URI is, and which match.

URIs are taken as they are written. None is repaired, decoded or brought into another
form before it is compared, so that what matches is what the browser is sent to.

Spec: RFC 6749, section 3.1.2; RFC 8252, sections 7 and 8; RFC 9700, section 2.1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 2048
"""Characters of the longest redirect URI; common browsers take no longer ones."""

_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})

_CHARACTERS: Final = re.compile(
    r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*"
)
_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):"
    r"(?://(?P<authority>[^/?]*))?"
    r"(?P<rest>.*)"
)
_AUTHORITY: Final = re.compile(
    r"(?P<host>[A-Za-z0-9\-._~]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class RedirectURI:
    """A redirect URI that is well formed.

    Attributes:
        text: The URI as it was written.
        scheme: Its scheme, in lower case.
        host: Its host, in lower case, an IPv6 address in brackets; "" if it has none.
        port: Its port; None if it names none.
    """

    text: str
    scheme: str
    host: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to a program on the user's own machine, over HTTP.

        Spec: RFC 8252, sections 7.3 and 8.3.
        """
        return self.scheme == "http" and self.host in _LOOPBACK_HOSTS

    @property
    def canonical(self) -> str:
        """What has to be equal for two to match: of loopback ones all but the port.

        Spec: RFC 8252, section 7.3.
        """
        if not self.is_loopback or self.port is None:
            return self.text
        before, _, after = self.text.partition("://")
        authority = re.split("[/?]", after, maxsplit=1)[0]
        return f"{before}://{authority.rpartition(':')[0]}{after[len(authority) :]}"


def parse_redirect_uri(text: str) -> RedirectURI:
    """Read a redirect URI.

    Args:
        text: The URI, of any scheme.

    Raises:
        ValueError: It is not one, as its message says.

    Spec: RFC 3986, section 3; RFC 6749, section 3.1.2.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    if not _CHARACTERS.fullmatch(text):
        raise ValueError("it has blanks or other characters that no URI has")
    if "#" in text:
        raise ValueError("it has a fragment")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise ValueError("it is not absolute")
    scheme, authority = parts["scheme"].lower(), parts["authority"]
    if scheme not in ("http", "https") and not authority:
        if not parts["rest"].startswith("/"):
            raise ValueError("there is no '/' after its scheme")
        return RedirectURI(text, scheme, "", None)
    host, port = _read_authority(authority or "")
    return RedirectURI(text, scheme, host, port)


def _read_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise ValueError("it names a user before its host")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("it has no host, or a wrong one")
    host, port = match["host"].lower(), match["port"]
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError("its host is not an IPv6 address") from None
    if port is not None and not 0 < int(port) < 65536:
        raise ValueError("there is no such port")
    return host, None if port is None else int(port)


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Say whether users may be sent to a URI.

    Args:
        uri: What an authorization request asks for.
        registered: The redirect URIs of the client.

    Returns:
        Whether one of them is the very same; the port of a loopback URI may be another.

    Spec: RFC 9700, section 2.1; RFC 8252, section 7.3.
    """
    asked = _canonical(uri)
    return asked is not None and any(_canonical(one) == asked for one in registered)


def _canonical(uri: str) -> str | None:
    try:
        return parse_redirect_uri(uri).canonical
    except ValueError:
        return None
