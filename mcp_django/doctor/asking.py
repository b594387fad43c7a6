"""Makes the doctor's requests: bounded in time and size, and to nowhere unasked.

Redirects are never followed, and a token goes to the URL that it was given for alone.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import anyio

from mcp_django.transports.client.http_library import httpx2

MAX_BYTES: Final = 256 * 1024
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        method: What was sent.
        url: Where.
        status: HTTP status; 0 if none came.
        headers: In lower case.
        body: Its beginning.
        fault: Why nothing came, in words; "" if something did.
        tls_expires_at: When the certificate ends, in seconds; None if there is none.
    """

    method: str
    url: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str = ""
    tls_expires_at: float | None = None

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere."""
        return 300 <= self.status < 400 and "location" in self.headers

    @property
    def target(self) -> str:
        """Where a redirect leads; as the server wrote it if that is no URL."""
        location = self.headers["location"]
        try:
            return urljoin(self.url, location)
        except ValueError:
            return location

    @property
    def leads_to_itself(self) -> bool:
        """Whether it is a redirect that never ends, as behind proxies with TLS."""
        if not self.is_redirect:
            return False
        return self.target.partition(":")[2] == self.url.partition(":")[2]

    @property
    def media_type(self) -> str:
        """What the body is said to be."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Give the JSON value in the body; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> dict[str, Any] | None:
        """Give the JSON object in the body; None if it is none."""
        found = self.json()
        return found if isinstance(found, dict) else None

    def shown(self) -> str:
        """Say in a few words what came."""
        if self.fault:
            return self.fault
        kind = self.media_type or "no type"
        if self.is_redirect:
            return f"a redirect ({self.status}) to {self.headers['location']:.200}"
        return f"{self.status} ({kind})"


class Asker:
    """Makes requests, and keeps the answers to those that only read.

    Args:
        http: Makes them.
        seconds: For each.
    """

    def __init__(self, http: httpx2.AsyncClient, seconds: float) -> None:
        self._http = http
        self.seconds = seconds
        self._read: dict[tuple[str, str], Answer] = {}
        self.is_local = False

    async def get(self, url: str, **headers: str) -> Answer:
        """Read a document, once."""
        key = url, repr(sorted(headers.items()))
        if key not in self._read:
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            sent = {"accept": "application/json", **sent}
            self._read[key] = await self.ask("GET", url, headers=sent)
        return self._read[key]

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        message: Any = None,
    ) -> Answer:
        """Make a request, and read the beginning of what comes back.

        Args:
            method: HTTP method.
            url: Where.
            headers: Further ones.
            form: What to send as a form.
            message: What to send as JSON.
        """
        refusal = self.refusal(url)
        if refusal:
            return Answer(method, url, fault=refusal)
        try:
            with anyio.fail_after(self.seconds):
                async with self.open(
                    method, url, headers=headers, form=form, message=message
                ) as response:
                    return await _read(method, url, response)
        except Exception as error:
            return Answer(method, url, fault=fault_of(error, self.seconds))

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        message: Any = None,
    ) -> AsyncIterator[httpx2.Response]:
        """Make a request, and give the response while its body comes."""
        sent = {"user-agent": "mcp-doctor", **(headers or {})}
        more = {} if message is None else {"json": message}
        async with self._http.stream(
            method, url, headers=sent, data=form, follow_redirects=False, **more
        ) as response:
            yield response

    def refusal(self, url: str) -> str:
        """Say why a URL is not asked at all; "" if it is."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return f"{url!r:.200} is no URL"
        if parts.scheme not in ("http", "https") or not host:
            return f"{url!r:.200} is no URL of the web"
        if not self.is_local and is_local(host):
            return f"{url:.200} leads into a private network; it was not asked"
        return ""


def is_local(host: str) -> bool:
    """Say whether a host is this machine, or in a private network, by its name."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.lower().rstrip(".").endswith(_LOCAL_NAMES)


async def _read(method: str, url: str, response: httpx2.Response) -> Answer:
    body = bytearray()
    if "text/event-stream" not in response.headers.get("content-type", ""):
        async for chunk in response.aiter_bytes(16_384):
            body += chunk
            if len(body) > MAX_BYTES:
                break
    return Answer(
        method,
        url,
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        bytes(body[:MAX_BYTES]),
        tls_expires_at=_end_of_certificate(response),
    )


def _end_of_certificate(response: httpx2.Response) -> float | None:
    stream = response.extensions.get("network_stream")
    found = None if stream is None else stream.get_extra_info("ssl_object")
    certificate = None if found is None else found.getpeercert()
    if not certificate or "notAfter" not in certificate:
        return None
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def days_until(moment: float) -> int:
    """Say how many whole days there are until a time in seconds."""
    return int((moment - time.time()) // 86_400)


def fault_of(error: Exception, seconds: float) -> str:
    """Say in words why nothing came."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return f"there was no answer in {seconds:g} seconds"
    return f"it cannot be asked: {error or type(error).__name__}"
