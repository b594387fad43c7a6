"""Asks servers about OAuth: bounded in size, in time and in redirects."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import anyio

from mcp_django.client.oauth.addresses import shown
from mcp_django.client.oauth.challenges import Challenge, find_bearer
from mcp_django.exceptions import HTTPRefused, MCPError, OAuthFault
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.http import (
    EVENT_STREAM,
    JSON_TYPE,
    HTTPClient,
    media_type,
    read_body,
)
from mcp_django.transports.client.http_failures import Timeouts
from mcp_django.transports.client.http_library import httpx2

MAX_BYTES: Final = 256 * 1024
"""Longest answer that is read."""

_FORM: Final = "application/x-www-form-urlencoded"
_CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered.

    Attributes:
        url: What was asked.
        status: HTTP status.
        document: The JSON object in it; None if there is none.
        headers: Of the response, names in lower case.
        media_type: Of the content.
        was_redirected: Whether it was not the URL itself that answered.
    """

    url: str
    status: int
    document: JSONObject | None
    headers: Mapping[str, str]
    media_type: str
    was_redirected: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def when(self) -> str:
        """When to ask again, as the end of a text; "" if it does not say so."""
        after = self.headers.get("retry-after", "")
        if not (after.isascii() and after.isdigit() and len(after) < 10):
            return ""
        return f"; it asks to come back in {int(after)} seconds"

    def no_object(self) -> OAuthFault:
        """Make the exception for what should be a JSON object, and is none."""
        kind = self.media_type[:100] or "no type"
        return OAuthFault(
            f"{shown(self.url)} answered with status {self.status} and {kind}, where "
            f"OAuth has a JSON object{self.when}"
        )


class Fetcher:
    """Asks servers, while it is open.

    Redirects are followed within an origin, and none to another.

    Args:
        http: Sends; opened here and closed.
        seconds: How long one question may take, from the connection to the last byte.

    Attributes:
        asked: What was asked last.
    """

    def __init__(self, http: HTTPClient, seconds: float) -> None:
        self._http = http
        self._seconds = seconds
        self.asked = ""

    async def get(self, url: str) -> Fetched:
        """Ask for a document.

        Raises:
            OAuthFault: There was no answer, or none that can be read.
        """
        return await self._ask("GET", url, {"accept": JSON_TYPE}, None)

    async def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> Fetched:
        """Post a form; fails as `get` does."""
        sent = {"accept": JSON_TYPE, "content-type": _FORM, **headers}
        return await self._ask("POST", url, sent, urlencode(form).encode())

    async def post_json(self, url: str, document: JSONObject) -> Fetched:
        """Post a JSON object; fails as `get` does."""
        sent = {"accept": JSON_TYPE, "content-type": JSON_TYPE}
        return await self._ask("POST", url, sent, json.dumps(document).encode())

    async def challenge_of(self, url: str) -> Challenge | None:
        """Ask a server what it refuses us with; None if it does not, or cannot say.

        Args:
            url: Of the MCP server, which may answer with a stream: that is not read.
        """
        headers = {"accept": f"{JSON_TYPE}, {EVENT_STREAM}"}
        try:
            with anyio.fail_after(self._seconds):
                async with self._http.exchange(
                    "GET", httpx2.URL(url), headers=headers
                ) as response:
                    return bearer_challenge_of(response)
        except (TimeoutError, MCPError):
            return None

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Fetched:
        self.asked = url
        try:
            with anyio.fail_after(self._seconds):
                async with self._http.exchange(
                    method, httpx2.URL(url), headers=headers, body=body
                ) as response:
                    content = await read_body(response, MAX_BYTES)
        except TimeoutError:
            raise OAuthFault(
                f"{shown(url)} did not answer within {self._seconds:g} seconds"
            ) from None
        except HTTPRefused as refused:
            raise OAuthFault(str(refused)) from None
        except MCPError as error:
            raise OAuthFault(
                f"asked about OAuth, {shown(url)} failed: {error}"
            ) from None
        return Fetched(
            url,
            response.status_code,
            _object_in(content),
            {name.lower(): value for name, value in response.headers.items()},
            media_type(response),
            was_redirected=response.request.url != httpx2.URL(url),
        )


def bearer_challenge_of(response: httpx2.Response) -> Challenge | None:
    """Read the challenge for bearer tokens in a refusal."""
    return find_bearer(response.headers.get_list("www-authenticate"))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Give a text of a server's without the secrets that it repeats."""
    for secret in secrets:
        text = text.replace(secret, "...") if secret else text
    return text


@asynccontextmanager
async def opened(
    http: httpx2.AsyncClient | None, verify: ssl.SSLContext | None, seconds: float
) -> AsyncIterator[Fetcher]:
    """Give what asks servers, until the end of the block.

    Args:
        http: A client of the caller, which stays open; None to open one.
        verify: TLS settings; None for those of the system. Not together with `http`.
        seconds: How long one question may take.

    Raises:
        ConnectFailed: The settings of the environment let us make no client.
    """
    # Its own `auth` does nothing: a client of the caller's may have us for that.
    client = HTTPClient(
        headers=None,
        auth=httpx2.Auth(),
        http=http,
        verify=verify,
        timeouts=Timeouts(_CONNECT_SECONDS, seconds),
    )
    client.open()
    try:
        yield Fetcher(client, seconds)
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await client.close()


def _object_in(content: bytes) -> JSONObject | None:
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
