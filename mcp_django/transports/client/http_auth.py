"""What requests over HTTP tell an `auth` object, beside what they send.

They are extensions of a request, as `httpx2` calls them, by these names.
"""

from __future__ import annotations

from typing import Final

from mcp_django.transports.client.http_library import httpx2

SERVER_URL: Final = "mcp_django.server_url"
"""URL of the server, as an `httpx2.URL`; some requests go to other URLs of it."""

HOLD: Final = "mcp_django.hold"
"""Makes a block in which no wait for an answer runs out, while a user is waited for."""


async def drop_content(response: httpx2.Response) -> None:
    """Let an `auth` object go on without what a refusal says, however long that is."""
    content = response.stream
    response.stream = httpx2.ByteStream(b"")
    assert isinstance(content, httpx2.AsyncByteStream)
    await content.aclose()
