"""What users read of a program: who it says it is, where its answers go, what it may.

What a program says of itself is shown to people who decide by it, and any program may
register under any name. So it stands beside what is certain.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_django.oauth.authorization_server.redirect_uris import parse_redirect_uri
from mcp_django.server.server import Server
from mcp_django.server.texts import Text

_LONGEST_NAME: Final = 60
_HERE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Proof(enum.Enum):
    """What stands behind the name of a program."""

    PUBLISHED = "published"
    """A web site publishes it: the program's client id is an address there."""
    KNOWN = "known"
    """The people who run this site have registered it."""
    NONE = "none"
    """It has registered itself."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a program is introduced to the user.

    Attributes:
        name: What it calls itself, in characters that can be seen.
        proof: What stands behind that.
        host: Who publishes it; "" for others.
    """

    name: str
    proof: Proof
    host: str = ""

    @property
    def is_published(self) -> bool:
        """Whether its host vouches for the name."""
        return self.proof is Proof.PUBLISHED

    @property
    def is_known(self) -> bool:
        """Whether the people who run this site vouch for the name."""
        return self.proof is Proof.KNOWN

    @classmethod
    def of(cls, application: Any) -> Introduction:
        """Introduce an application of django-oauth-toolkit."""
        sources = type(application).RegistrationSource
        client_id: str = application.client_id
        name = visible(application.name)
        if application.registration_source == sources.CIMD:
            host = urlsplit(client_id).hostname or client_id
            return cls(name or host, Proof.PUBLISHED, host)
        is_known = application.registration_source == sources.MANUAL
        return cls(name or client_id, Proof.KNOWN if is_known else Proof.NONE)


class Place(enum.Enum):
    """What kind of place an answer is sent to."""

    WEB = "web"
    """A web site, which alone gets what is sent to its host."""
    COMPUTER = "computer"
    """The user's own machine, where any program may listen."""
    APP = "app"
    """An app on the user's machine, where any app may claim the scheme."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the user is sent with the answer.

    Attributes:
        place: What is there.
        shown: Its host; for an app its scheme, such as "cursor:".

    Spec: RFC 8252, sections 7 and 8.6.
    """

    place: Place
    shown: str

    @property
    def is_web(self) -> bool:
        """Whether it is a web site."""
        return self.place is Place.WEB

    @property
    def is_app(self) -> bool:
        """Whether it is an app that claims a scheme."""
        return self.place is Place.APP

    @classmethod
    def of(cls, redirect_uri: str) -> Destination:
        """Say where a redirect URI, which was found to be the program's, leads."""
        uri = parse_redirect_uri(redirect_uri)
        if uri.scheme not in ("http", "https"):
            return cls(Place.APP, f"{uri.scheme}:")
        is_here = uri.host in _HERE or uri.host.endswith(".localhost")
        return cls(Place.COMPUTER if is_here else Place.WEB, uri.host)

    @classmethod
    def named(cls, shown: str) -> Destination:
        """Say what a place is of which only is known what was shown of it."""
        if shown.endswith(":"):
            return cls(Place.APP, shown)
        return cls.of(f"http://{shown}/") if shown else cls(Place.WEB, "")


def visible(name: str) -> str:
    """Give a name without what hides or turns around its other characters."""
    spaced = " ".join(name.split())
    shown = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    if len(shown) > _LONGEST_NAME:
        return f"{shown[:_LONGEST_NAME]}…"
    return shown


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    """A scope as users read it.

    Attributes:
        name: Of the scope.
        words: What it allows; "" where its server says nothing of it.
    """

    name: str
    words: str


def in_words(scopes: Collection[str], known: Mapping[str, Text]) -> list[ScopeInWords]:
    """Put scopes into the words of a server, in its order, in the active language."""
    places = {scope: place for place, scope in enumerate(known)}
    ordered = sorted(scopes, key=lambda scope: places.get(scope, len(places)))
    return [ScopeInWords(scope, str(known.get(scope, ""))) for scope in ordered]


def title_of(server: Server) -> str:
    """Give what people call a server."""
    return str(server.implementation.get("title") or server.name)
