"""Fetches JSON from an issuer, within bounds: in time, in size, and to nowhere else.

One event loop for the process does it, in a thread of its own: connections are kept
open, and no thread for authentication waits.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.extras import brought_by

with brought_by("issuers"):
    import httpx2

MAX_BYTES: Final = 1 << 20
"""Of a body. Documents of issuers have some kilobytes."""

_START_SECONDS: Final = 10.0

T = TypeVar("T")

_starting: Final = threading.Lock()


class FetchFailed(ConnectionError):
    """What an issuer publishes cannot be had, or is of no use."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an issuer answered.

    Attributes:
        url: What was asked.
        status: HTTP status.
        location: Where it redirects to; "" for nowhere.
        body: What came with it.
    """

    url: str
    status: int
    location: str
    body: bytes

    def json_object(self) -> JSONObject:
        """Read the body.

        Raises:
            FetchFailed: It is a redirect, the status is not 200, or the body is no
                JSON object.
        """
        if 300 <= self.status < 400:
            raise FetchFailed(
                f"{self.url} redirects to {self.location!r}, which is not followed; "
                "name the URL that answers"
            )
        if self.status != 200:
            raise FetchFailed(f"{self.url} answers with status {self.status}, not 200")
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            raise FetchFailed(f"{self.url} answers with no JSON") from None
        if not isinstance(found, dict):
            raise FetchFailed(f"{self.url} answers with JSON that is no object")
        return found


def begin(function: Callable[..., Awaitable[T]], *arguments: Any) -> Future[T]:
    """Begin to run a coroutine function in the event loop that fetches."""
    with _starting:
        portal = _portal_of(os.getpid())
    return portal.start_task_soon(function, *arguments)


async def fetch(
    url: str,
    *,
    timeout: float,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Fetch a URL; only in the event loop of `begin`.

    Redirects are not followed: they may lead to elsewhere, and what issuers publish is
    where its URL says.

    Args:
        url: An absolute URL.
        timeout: Seconds for all of it.
        form: What to post; else it is a GET.
        headers: Further ones.

    Raises:
        FetchFailed: There is no answer in time, or it is too large.
    """
    sent = {
        "accept": "application/json",
        # What is small when it comes may be large when it is unpacked.
        "accept-encoding": "identity",
        **(headers or {}),
    }
    method = "GET" if form is None else "POST"
    try:
        with anyio.fail_after(timeout):
            async with _client().stream(
                method, url, data=form, headers=sent
            ) as response:
                return await _read(url, response)
    except TimeoutError:
        raise FetchFailed(f"{url} does not answer in {timeout:g} seconds") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
        if isinstance(error, FetchFailed):
            raise
        raise FetchFailed(f"{url} cannot be fetched: {error!r}") from error


async def _read(url: str, response: httpx2.Response) -> Fetched:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed(f"{url} answers with a body that is packed")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchFailed(f"{url} answers with more than {MAX_BYTES} bytes")
    location = response.headers.get("location", "")
    return Fetched(url, response.status_code, location, bytes(body))


@cache
def _portal_of(process: int) -> BlockingPortal:
    """Start the event loop of a process; one that was forked needs another one."""
    _client.cache_clear()
    started: Future[BlockingPortal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as portal:
            started.set_result(portal)
            await portal.sleep_until_stopped()

    # A daemon: it must not keep the process from ending.
    threading.Thread(
        target=anyio.run, args=(serve,), name="mcp-issuers", daemon=True
    ).start()
    return started.result(_START_SECONDS)


@cache
def _client() -> httpx2.AsyncClient:
    """Make what keeps connections open; used in one event loop alone."""
    client = httpx2.AsyncClient(follow_redirects=False, timeout=None)
    # It is for all issuers, and none is told what it was sent before.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client
