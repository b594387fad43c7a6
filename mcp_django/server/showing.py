"""What clients are shown of a server and its features, in the language that is active.

Texts that cannot be made are left out, and logged once; see `texts.readable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.texts import readable

if TYPE_CHECKING:
    from mcp_django.server.features import Prompt, Resource, Tool
    from mcp_django.server.server import Server


def shown(server: Server, feature: Tool | Resource | Prompt) -> JSONObject:
    """Give what a list shows of a feature."""
    if not feature.has_lazy_text:
        return feature.entry
    what = str(feature.handler.feature)
    return readable(feature.entry, what)


def translated(server: Server, described: JSONObject) -> JSONObject:
    """Translate what a server says of itself."""
    return readable(described, f"server {server.name}")


def translated_info(server: Server) -> JSONObject:
    """Give the `server_info` of a server with its title."""
    title = {"title": server.implementation["title"]}
    return {**server.server_info, **translated(server, title)}
