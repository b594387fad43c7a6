"""What the steps of one visit to a server share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from mcp_django.doctor.asking import Asker
from mcp_django.doctor.findings import Finding, Verdict

BELIEVE_PROXY: Final = (
    "let the proxy say X-Forwarded-Proto, and the site believe it "
    "(SECURE_PROXY_SSL_HEADER), or set MCP['PUBLIC_URL']"
)
PASS_HOST: Final = (
    "let the proxy pass the host on (Host, or X-Forwarded-Host with "
    "USE_X_FORWARDED_HOST), or set MCP['PUBLIC_URL']"
)

OTHER_ORIGIN: Final = "https://mcp-doctor.invalid"
"""Of a page that no site knows."""


@dataclass
class Visit:
    """A visit to one server.

    Attributes:
        url: Of the endpoint, as its user types it.
        asker: Makes the requests.
        token: Goes to `url` alone; "" for none.
        findings: What was found so far.
        method: By which the endpoint is asked first: "GET" for HTTP+SSE.
        needs_login: Whether requests without a token are refused.
        challenge: Parameters of the challenge for bearer tokens.
        resource: The document that says where to log in; None if there is none.
        servers: Metadata of the authorization servers, by issuer.
        scopes: What a client would ask for.
    """

    url: str
    asker: Asker
    token: str = ""
    findings: list[Finding] = field(default_factory=list)
    method: str = "POST"
    needs_login: bool = False
    challenge: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, Any] | None = None
    servers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    scopes: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port of the endpoint."""
        return origin_of(self.url)

    @property
    def path(self) -> str:
        """Path of the endpoint."""
        return urlsplit(self.url).path

    @property
    def is_https(self) -> bool:
        """Whether the endpoint is asked over TLS."""
        return self.url.lower().startswith("https:")

    def ok(self, step: str, says: str) -> None:
        """Note that something is as it should be."""
        self.findings.append(Finding(step, Verdict.OK, says))

    def note(self, step: str, says: str, remedy: str = "") -> None:
        """Note something that is neither good nor bad."""
        self.findings.append(Finding(step, Verdict.NOTE, says, remedy))

    def warn(self, step: str, says: str, remedy: str) -> None:
        """Note what some clients stumble over."""
        self.findings.append(Finding(step, Verdict.WARNING, says, remedy))

    def fail(self, step: str, says: str, remedy: str) -> None:
        """Note what keeps clients out."""
        self.findings.append(Finding(step, Verdict.FAILED, says, remedy))


def parts_of(url: str) -> SplitResult:
    """Split a URL that a server names; of what is none, all is the path."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def origin_of(url: str) -> str:
    """Give scheme, host and port of a URL."""
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc}"


def well_known(url: str, name: str) -> str:
    """Give where a document about a URL is: before its path.

    Spec: RFC 8414, section 3.1; RFC 9728, section 3.1.
    """
    path = parts_of(url).path
    return f"{origin_of(url)}/.well-known/{name}{'' if path == '/' else path}"
