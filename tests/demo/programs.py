"""Programs that log in through the demo's pages, as their users see it."""

from __future__ import annotations

import base64
import hashlib
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from playwright.sync_api import Browser, Page

from tests.patience import PATIENCE_SECONDS

VERSION = "2026-07-28"


@dataclass
class Callback:
    """Where a program on the user's machine waits for the answer.

    Attributes:
        port: Where it listens.
        answers: The queries that came.
    """

    port: int
    answers: queue.Queue[dict[str, str]] = field(default_factory=queue.Queue)

    @property
    def uri(self) -> str:
        """The redirect URI."""
        return f"http://127.0.0.1:{self.port}/callback"

    def wait(self) -> dict[str, str]:
        """Give the next answer."""
        return self.answers.get(timeout=PATIENCE_SECONDS)


@contextmanager
def listening() -> Iterator[Callback]:
    """Listen for the answer; send the browser on to another origin, as some do."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/callback":
                waiting.answers.put(dict(parse_qsl(url.query)))
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{waiting.port}/done")
                self.end_headers()
                return
            self.send_response(200 if url.path == "/done" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Done</title>")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        waiting = Callback(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield waiting
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Program:
    """A program that has registered itself.

    Attributes:
        site: Address of the demo, as its users know it.
        client_id: What it was registered as.
        callback: Where it waits for answers on the user's machine.
        redirect_uri: Where it waits.
        listens_at: Where the demo is, if not at that address.
        verifier: Its secret of this login.
    """

    site: str
    client_id: str
    callback: Callback
    redirect_uri: str
    listens_at: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @classmethod
    def register(
        cls,
        site: str,
        callback: Callback,
        name: str,
        redirect_uri: str = "",
        known_as: str = "",
    ) -> Program:
        """Register one, which waits at the callback unless it is elsewhere.

        Args:
            site: Where the demo listens.
            callback: Where a program on this machine waits.
            name: What it calls itself.
            redirect_uri: Where it waits, if not there.
            known_as: Address of the demo, as its users know it, if not that.
        """
        waits_at = redirect_uri or callback.uri
        answer = httpx2.post(
            f"{site}/oauth/register",
            json={
                "client_name": name,
                "redirect_uris": [waits_at],
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            },
        )
        assert answer.status_code == 201, answer.text
        client_id = answer.json()["client_id"]
        return cls(known_as or site, client_id, callback, waits_at, site)

    @property
    def resource(self) -> str:
        """The endpoint that it wants to use."""
        return f"{self.site}/mcp"

    def url(self, **changes: str) -> str:
        """Give the URL that it opens in the user's browser."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "resource": self.resource,
            "state": "s7",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.site}/oauth/authorize?{urlencode(asked | changes)}"

    def get_tokens(self) -> dict[str, Any]:
        """Get tokens for the code that came."""
        told = self.callback.wait()
        assert (told["state"], told["iss"]) == ("s7", self.site)
        answer = httpx2.post(
            f"{self.listens_at}/oauth/token",
            data={
                "grant_type": "authorization_code",
                "code": told["code"],
                "redirect_uri": self.redirect_uri,
                "client_id": self.client_id,
                "code_verifier": self.verifier,
                "resource": self.resource,
            },
        )
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def call(self, token: str, tool: str, **arguments: Any) -> httpx2.Response:
        """Call a tool of the demo."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return httpx2.post(
            f"{self.listens_at}/mcp",
            json=request,
            headers={
                "Accept": "application/json, text/event-stream",
                "Authorization": f"Bearer {token}",
                "MCP-Protocol-Version": VERSION,
                "Mcp-Method": "tools/call",
                "Mcp-Name": tool,
            },
        )


@contextmanager
def browsing(chromium: Browser, **options: Any) -> Iterator[Page]:
    """Open a browser of its own, with no cookies yet."""
    context = chromium.new_context(**options)
    try:
        yield context.new_page()
    finally:
        context.close()


def log_in(page: Page) -> None:
    """Log in as reader, at the page where one is sent to."""
    page.get_by_label("User name").fill("reader")
    page.get_by_label("Password").fill("reader")
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def allow(page: Page, program: Program) -> dict[str, Any]:
    """Log in, allow all that a program asks for, and have it get its tokens."""
    page.goto(program.url())
    log_in(page)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/done")
    return program.get_tokens()
