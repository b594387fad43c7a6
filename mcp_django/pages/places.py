"""Where the pages of an endpoint are: below it, wherever the project has put it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from django.http import HttpRequest

from mcp_django.conf import mcp_settings
from mcp_django.server.server import Server


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint, as the reader of one of its pages came to it.

    Attributes:
        server: The server that answers there.
        path: Its path without a slash at the end, such as "/mcp"; "" at the root. What
            is below it are its pages, such as "/mcp/connect/".
        url: What programs are given, such as "https://example.com/mcp".
    """

    server: Server
    path: str
    url: str

    @classmethod
    def of(cls, request: HttpRequest, server: Server, page: str = "") -> Self:
        """Find the endpoint from the request of one of its pages.

        Args:
            request: For the page.
            server: Whose page it is.
            page: Path of the page below the endpoint, such as "connect/".
        """
        path = request.path.removesuffix(page).rstrip("/")
        return cls(server, path, _absolute(request, path or "/"))


def _absolute(request: HttpRequest, path: str) -> str:
    url = request.build_absolute_uri(path)
    if mcp_settings.PUBLIC_URL is None:
        return url
    return f"{mcp_settings.PUBLIC_URL.rstrip('/')}{urlsplit(url).path}"
