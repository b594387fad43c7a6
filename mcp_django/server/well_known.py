"""Documents that endpoints have at the site's root, and the paths where clients look.

Clients put the path of the endpoint behind `/.well-known/` and the document's name, or
before both, or leave it out. An app that has a document says so in `AppConfig.ready`::

    from mcp_django.server.well_known import documents

    documents["oauth-protected-resource"] = describe

Spec: RFC 8615, section 3; RFC 8414, section 3.1; RFC 9728, section 3.1; OpenID Connect
Discovery 1.0, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from django.http import HttpRequest, HttpResponse

from mcp_django.server.endpoints import Endpoint
from mcp_django.server.routes import all_endpoints, endpoint_at

OF_OAUTH: Final = frozenset(
    {"oauth-protected-resource", "oauth-authorization-server", "openid-configuration"}
)
"""Names of documents that clients look for after a 401, whether there are any or not.

Spec: 2025-11-25 basic/authorization, "Authorization Server Discovery".
"""

_FOLDER: Final = "/.well-known/"
_PATH: Final = re.compile(
    rf"(?P<before>.*){re.escape(_FOLDER)}(?P<name>[^/]+)(?P<after>(?:/.*)?)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client looks for a document.

    Attributes:
        name: The document's name.
        path: The whole path of the endpoint whose document it is, as the client wrote
            it; "" if it names none.
        endpoint: What is there; None if the client names none.
    """

    name: str
    path: str
    endpoint: Endpoint | None


Document: TypeAlias = Callable[[HttpRequest, Place], HttpResponse | None]
"""Gives the document of an endpoint, None if it has none.

Called for GET and HEAD, on the ASGI way in by the event loop: it asks no database.
"""

documents: Final[dict[str, Document]] = {}
"""The documents that there are, by name."""


def may_be_place(path: str) -> bool:
    """Say quickly whether a document may be at a path."""
    return _FOLDER in path


def place_at(path: str, script_name: str) -> Place | None:
    """Give what clients of the project's MCP endpoints look for at a path.

    Args:
        path: The whole path of a URL.
        script_name: The part of the site's paths that is not in its URLconf.

    Returns:
        The place; None if no client looks there.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    name, before, after = match["name"], match["before"], match["after"].rstrip("/")
    if name not in OF_OAUTH and name not in documents:
        return None
    if before not in ("", script_name):
        if after:
            return None
        named = before
    elif after:
        named = match["after"]
    else:
        return Place(name, "", None) if all_endpoints() else None
    endpoint = _endpoint_at(named.rstrip("/"), script_name)
    return None if endpoint is None else Place(name, named, endpoint)


def is_looked_for(path: str, script_name: str) -> bool:
    """Say whether clients look at a path for OAuth, of whatever path it may be.

    They take what they find there for the project's answer; so it has to be one.

    Args:
        path: The whole path of a URL.
        script_name: The part of the site's paths that is not in its URLconf.
    """
    for begin in {_FOLDER, f"{script_name}{_FOLDER}"}:
        name = path.removeprefix(begin).partition("/")[0]
        if path.startswith(begin) and name in OF_OAUTH:
            return bool(all_endpoints())
    return False


def _endpoint_at(path: str, script_name: str) -> Endpoint | None:
    if _FOLDER in path:  # Else a long path of many would ask again for each.
        return None
    path_info = path.removeprefix(script_name)
    return endpoint_at(path_info) or endpoint_at(f"{path_info}/")
