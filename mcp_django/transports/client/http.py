"""HTTP for the client halves: a door to `httpx2`, with our rules and our exceptions.

No redirect leads to another origin, of what a server sends no more is read than a
limit says, and what goes wrong becomes an exception of `mcp_django.exceptions`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from types import MappingProxyType
from typing import Any, Final

import anyio

from mcp_django.exceptions import ConnectFailed, MessageLost, RequestFailed
from mcp_django.transports.client.http_environment import system_tls, uses_proxy
from mcp_django.transports.client.http_failures import (
    Timeouts,
    check_reachable,
    describe,
    is_same_origin,
    refusal_of,
    show,
)
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.event_stream import EventStreamDecoder, ServerSentEvent

JSON_TYPE: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"

MAX_REDIRECTS: Final = 5

DEFAULT_RETRY_SECONDS: Final = 1.0
"""When to come back to a stream whose server has not said when."""

LONGEST_RETRY_SECONDS: Final = 30.0
"""How long to wait at most before coming back, unless the server wants it longer."""

_KEEPS_METHOD: Final = (307, 308)
_NO_PROXY_URL: Final = "the URL of a proxy cannot be used"
_MAX_REFUSAL_BYTES: Final = 256 * 1024
_MAX_REFUSAL_SECONDS: Final = 5.0
_MAX_REST_BYTES: Final = 64 * 1024
_MAX_REST_SECONDS: Final = 1.0
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
# Compressed, the events of a stream come late: servers wait for more to pack.
_DEFAULT_HEADERS: Final[Mapping[str, str]] = {"accept-encoding": "identity"}
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HTTPClient:
    """Sends HTTP requests, each with the same headers and the same authentication.

    ::

        NEW --open()--> OPEN --close()--> CLOSED

    Args:
        headers: For every request.
        auth: For every request; None for what `http` has, if anything.
        http: The caller's own, which stays open; None to open one.
        verify: TLS settings; None for those of the system. Not together with `http`.
        timeouts: Hold for `http`, too.

    Attributes:
        extensions: What each request has for an `auth` object, by name.

    Raises:
        ValueError: A header cannot be written, or `verify` would have no effect.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None,
        auth: httpx2.Auth | None,
        http: httpx2.AsyncClient | None,
        verify: ssl.SSLContext | None,
        timeouts: Timeouts,
    ) -> None:
        for name, value in (headers or {}).items():
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                raise ValueError(
                    f"header {name[:100]!r} has characters that HTTP forbids, such as "
                    "a line end"
                )
        if verify is not None and http is not None:
            raise ValueError(
                "verify has no effect with http; make that with verify=... instead"
            )
        self.timeouts = timeouts
        given = {name.lower(): value for name, value in (headers or {}).items()}
        self._headers = {**_DEFAULT_HEADERS, **given}
        self._auth = httpx2.USE_CLIENT_DEFAULT if auth is None else auth
        self.extensions: dict[str, Any] = {}
        self._owns_http = http is None
        self._http = http
        self._verify = verify

    def open(self) -> None:
        """Open an `httpx2` client, unless the caller has given one.

        Raises:
            ConnectFailed: The settings of the environment let us make none.
        """
        if self._http is not None:
            return
        try:
            # How many requests run at once is for our caller to say.
            self._http = httpx2.AsyncClient(
                limits=httpx2.Limits(
                    max_connections=None, max_keepalive_connections=20
                ),
                verify=self._verify or system_tls(),
            )
        except (OSError, ImportError) as error:
            raise _cannot_be_made(str(error)) from error
        except ValueError as error:  # in which httpx2 hides the password
            raise _cannot_be_made(_NO_PROXY_URL) from error
        except httpx2.InvalidURL:
            raise _cannot_be_made(_NO_PROXY_URL) from None

    async def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        if self._owns_http and self._http is not None:
            await self._http.aclose()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: httpx2.URL,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request, and give the response, whose body is read in the block.

        Args:
            method: Such as "POST".
            url: Where to.
            headers: Beside those of all requests.
            body: What to send; None for nothing.
            on_sent: Called once all of it is on its way, before there is a response.

        Raises:
            RequestFailed: There was no response, or it broke off while it was read.
            HTTPRefused: It is a redirect that is not followed.
        """
        with self._failures_named(url):
            response = await self._send(method, url, headers, body, on_sent)
            try:
                yield response
            finally:
                await response.aclose()

    async def _send(
        self,
        method: str,
        url: httpx2.URL,
        headers: Mapping[str, str],
        body: bytes | None,
        on_sent: Callable[[], None] | None,
    ) -> httpx2.Response:
        """Send a request, and send it again where its own origin redirects it to."""
        if self._http is None or self._http.is_closed:
            raise RequestFailed(
                f"cannot send to {show(url)}: the HTTP client is closed"
            )
        timeouts = self.timeouts
        timeout = httpx2.Timeout(
            timeouts.read, connect=timeouts.connect, pool=timeouts.connect
        )
        redirects = 0
        extensions = dict(self.extensions)
        if on_sent is not None:
            extensions["trace"] = _tracer(on_sent)
        while True:
            request = self._http.build_request(
                method,
                url,
                headers={**self._headers, **headers},
                content=body,
                timeout=timeout,
                extensions=extensions,
            )
            response = await self._http.send(
                request, stream=True, auth=self._auth, follow_redirects=False
            )
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Content(response.stream)
            if not response.has_redirect_location:
                return response
            try:
                redirects += 1
                url = _target_of(response, redirects)
            finally:
                await response.aclose()

    @contextmanager
    def _failures_named(self, url: httpx2.URL) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            by_proxy = self._owns_http and uses_proxy(url)
            text = describe(error, url, self.timeouts, by_proxy=by_proxy)
            was_sent = isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
            raise RequestFailed(text, was_sent=was_sent) from None


def _cannot_be_made(reason: str) -> ConnectFailed:
    return ConnectFailed(
        f"cannot make HTTP requests: {reason.rstrip('.')}; look at SSL_CERT_FILE / "
        "HTTP_PROXY / ALL_PROXY"
    )


def _tracer(on_sent: Callable[[], None]) -> Callable[..., Awaitable[None]]:
    """Make what `httpx2` calls at each step of a request."""

    async def trace(step: str, details: object) -> None:
        if step.endswith(".send_request_body.complete"):
            on_sent()

    return trace


class _Content(httpx2.AsyncByteStream):
    """The content of a response, of which nothing is left when it is left early.

    `httpx2` reads by generators within generators. Closing one of them ends none that
    is within it, about which trio warns later; being cancelled ends all.
    """

    def __init__(self, content: httpx2.AsyncByteStream) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._content.__aiter__()
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            with anyio.CancelScope() as scope, suppress(httpx2.HTTPError):
                scope.cancel()
                async for _ in chunks:
                    pass

    async def aclose(self) -> None:
        await self._content.aclose()


def _target_of(response: httpx2.Response, redirects: int) -> httpx2.URL:
    """Give the URL that a redirect leads to.

    Raises:
        HTTPRefused: It is not to be followed; says where it leads.
    """
    url, method = response.request.url, response.request.method
    try:
        target = url.join(response.headers["location"])
        check_reachable(target)
    except (httpx2.InvalidURL, ValueError):
        raise refusal_of(
            response, b"", advice="the server redirects to what is no URL"
        ) from None
    if redirects > MAX_REDIRECTS:
        raise refusal_of(
            response,
            b"",
            advice=f"the server redirects more than {MAX_REDIRECTS} times",
        )
    # Others make of a POST a GET without body, which is no message.
    keeps_method = method == "GET" or response.status_code in _KEEPS_METHOD
    if not (keeps_method and is_same_origin(url, target)):
        raise refusal_of(
            response,
            b"",
            advice=f"the server redirects to {show(target)}; if that is meant, "
            "connect to it",
        )
    return target.copy_with(userinfo=url.userinfo)


# What comes back --------------------------------------------------------------------


def media_type(response: httpx2.Response) -> str:
    """Give the type of the content in lower case; empty if the response names none."""
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


async def read_body(response: httpx2.Response, max_bytes: int) -> bytes:
    """Read the whole content.

    Raises:
        MessageLost: It is longer than `max_bytes`.
    """
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                raise MessageLost(f"the content is longer than {max_bytes} bytes")
    return bytes(body)


async def read_refusal(response: httpx2.Response) -> bytes:
    """Read what can be had, in a few seconds, of the content of a refusal."""
    body = bytearray()
    with anyio.move_on_after(_MAX_REFUSAL_SECONDS):
        try:
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _MAX_REFUSAL_BYTES:
                        break
        except httpx2.HTTPError:
            pass  # The status says enough.
    return bytes(body[:_MAX_REFUSAL_BYTES])


async def read_rest(response: httpx2.Response) -> None:
    """Read what is not wanted, if it is little, so that the connection can be kept."""
    size = 0
    with anyio.move_on_after(_MAX_REST_SECONDS):
        try:
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > _MAX_REST_BYTES:
                        return
        except httpx2.HTTPError:
            pass  # It was not wanted.


class EventReader:
    """Reads the events of one stream, over as many connections as it takes.

    Args:
        max_event_bytes: Longest event to take.

    Attributes:
        last_event_id: What to name to go on behind the last event; empty if no event
            had an id.
        retry_seconds: How long to wait before coming back.
        count: Events so far.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self.last_event_id = ""
        self.retry_seconds: float | None = None
        self.count = 0

    async def read(self, response: httpx2.Response) -> AsyncGenerator[ServerSentEvent]:
        """Give the events of one connection; to be closed by `aclosing`.

        Raises:
            MessageLost: An event is too long.
        """
        decoder = EventStreamDecoder(self._max_event_bytes)
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                try:
                    events = decoder.feed(chunk)
                except ValueError as error:
                    raise MessageLost(str(error)) from None
                for event in events:
                    self.count += 1
                    self._note(event.id, event.retry_ms)
                    yield event
                self._note(decoder.last_event_id, decoder.retry_ms)

    def _note(self, id: str, retry_ms: int | None) -> None:
        self.last_event_id = id or self.last_event_id
        if retry_ms is not None:
            self.retry_seconds = retry_ms / 1000
