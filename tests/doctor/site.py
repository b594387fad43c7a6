"""A real HTTP server that does all that MCP clients want, until a test spoils it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOKEN = "good-token"
RESOURCE = "/.well-known/oauth-protected-resource/mcp"
SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


@dataclass
class Asked:
    """A request that came.

    Attributes:
        method: Such as "GET".
        path: Without the query.
        headers: In lower case.
        body: What was sent.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Page:
    """What is answered.

    Attributes:
        body: JSON, or bytes as they are.
        status: HTTP status.
        headers: Further headers.
        wait: Held until this is set, before the body.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


Answer = Callable[[Asked], Page]

NOT_FOUND = Page({"error": "not found"}, 404)
CORS = {"access-control-allow-origin": "*"}
PREFLIGHT = {
    **CORS,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type",
}


class Site:
    """The site; tests change what it answers.

    Attributes:
        url: Its origin.
        answers: By method and path.
        asked: The requests that came.
        resource: Document of the endpoint.
        server: Document of the authorization server.
        end: Set when the test is over.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.end = threading.Event()
        self.resource: dict[str, Any] = {
            "resource": f"{url}/mcp",
            "authorization_servers": [url],
            "scopes_supported": ["mcp:read", "mcp:write"],
            "bearer_methods_supported": ["header"],
        }
        self.server: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "registration_endpoint": f"{url}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "client_id_metadata_document_supported": True,
            "authorization_response_iss_parameter_supported": True,
        }
        self.challenge = f'Bearer resource_metadata="{url}{RESOURCE}", scope="mcp:read"'
        self.answers: dict[tuple[str, str], Answer] = {
            ("POST", "/mcp"): self.post,
            ("GET", "/mcp"): self.stream,
            ("DELETE", "/mcp"): lambda asked: Page({}),
            ("GET", RESOURCE): lambda asked: Page(self.resource, headers=CORS),
            ("GET", SERVER): lambda asked: Page(self.server, headers=CORS),
            ("GET", "/authorize"): lambda asked: Page({"error": "invalid_client"}, 400),
            ("POST", "/token"): lambda asked: Page({"error": "invalid_client"}, 401),
            ("POST", "/register"): self.register,
            ("OPTIONS", "/token"): lambda asked: Page(b"", headers=PREFLIGHT),
            ("OPTIONS", "/register"): lambda asked: Page(b"", headers=PREFLIGHT),
        }

    def set(self, method: str, path: str, page: Page) -> None:
        """Let a path answer so."""
        self.answers[method, path] = lambda asked: page

    def answer(self, asked: Asked) -> Page:
        """Answer a request."""
        self.asked.append(asked)
        found = self.answers.get((asked.method, urlsplit(asked.path).path))
        return NOT_FOUND if found is None else found(asked)

    def post(self, asked: Asked) -> Page:
        """Answer a message at the endpoint."""
        refusal = self.refusal(asked)
        if refusal is not None:
            return refusal
        message = json.loads(asked.body)
        match message["method"]:
            case "initialize":
                result: Any = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "serverInfo": {"name": "played", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": "add", "inputSchema": {}}]}
            case _:
                return Page(b"", 202)
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        return Page(answer, headers={"mcp-session-id": "1"})

    def refusal(self, asked: Asked) -> Page | None:
        """Say why a request is refused; None if it is not."""
        if asked.headers["host"] != urlsplit(self.url).netloc:
            return Page({"error": "host"}, 400)
        if "origin" in asked.headers:
            return Page({"error": "origin"}, 403)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Page({"error": "login"}, 401, {"www-authenticate": self.challenge})
        return None

    def stream(self, asked: Asked) -> Page:
        """Answer with an event stream, which begins at once."""
        refusal = self.refusal(asked)
        if refusal is not None:
            return refusal
        return Page(b": hello\n\n", headers={"content-type": "text/event-stream"})

    def register(self, asked: Asked) -> Page:
        """Register any client."""
        return Page({**json.loads(asked.body), "client_id": "1"}, 201)


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for headers and body, or the second waits for long

    def handle(self) -> None:
        """Answer requests, until the connection is broken."""
        with suppress(ssl.SSLError, ConnectionError):
            super().handle()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        page = self.site.answer(Asked(self.command, self.path, headers, body))
        content = page.body
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        try:
            self.send_response(page.status)
            sent = {"content-type": "application/json", **page.headers}
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if page.wait is not None:
                self.wfile.flush()
                page.wait.wait(60)
            self.wfile.write(content)
        except ConnectionError:  # it was given up
            self.close_connection = True

    do_GET = do_POST = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Site]:
    """Run a site on a free port.

    Args:
        certificate: With its key; None for plain http.
    """

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        scheme, tls = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    Handler.site = Site(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Handler.site
    finally:
        Handler.site.end.set()
        server.shutdown()
        thread.join()
        server.server_close()
