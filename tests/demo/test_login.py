"""A login through the demo's page opens MCP too, for own pages and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from tests.demo.test_pages import log_in, submit

pytestmark = pytest.mark.live

STREAM = """
([url, withCredentials]) => new Promise((resolve) => {
    const source = new EventSource(url, {withCredentials});
    const finish = (outcome) => { source.close(); resolve(outcome); };
    source.addEventListener("endpoint", (event) => finish(event.data));
    source.onerror = () => finish("refused");
})
"""
INITIALIZE = """
const initialize = JSON.stringify({
    jsonrpc: "2.0", id: 1, method: "initialize", params: {
        protocolVersion: "2025-11-25", capabilities: {},
        clientInfo: {name: "page", version: "1"},
    },
});
const nameIn = (answer) => JSON.parse(answer).result.serverInfo.name;
"""
REQUEST = (
    "async (url) => {"
    + INITIALIZE
    + """
    try {
        const answer = await fetch(url, {
            method: "POST", credentials: "include", body: initialize,
            headers: {"Content-Type": "application/json"},
        });
        return nameIn(await answer.text());
    } catch {
        return "refused";
    }
}"""
)
SOCKET = (
    "(url) => new Promise((resolve) => {"
    + INITIALIZE
    + """
    const socket = new WebSocket(url.replace("http", "ws"), "mcp");
    socket.onopen = () => socket.send(initialize);
    socket.onmessage = (event) => { socket.close(); resolve(nameIn(event.data)); };
    socket.onerror = () => resolve("refused");
})"""
)


def test_session_cookie_opens_a_stream_until_logout(
    site: str, browser: httpx2.Client
) -> None:
    """Ours: 200 by the cookie, 403 for a foreign page, 401 and the end at logout."""
    anonymous = httpx2.get(f"{site}/mcp/sse")
    assert anonymous.status_code == 401
    assert anonymous.headers["WWW-Authenticate"]
    log_in(browser, "reader")

    foreign = browser.get("/mcp/sse", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403

    with browser.stream("GET", "/mcp/sse", headers={"Origin": site}) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        endpoint = next(line for line in lines if line.startswith("data: "))[6:]
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert browser.post(endpoint, json=ping).status_code == 202

        submit(browser, "/logout/", browser.get("/").text)
        assert browser.post(endpoint, json=ping).status_code == 401
        # Within RECHECK_SECONDS; the client's own timeout is the bound.
        rest = list(lines)
    assert any('"id":1' in line for line in rest)


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    """Log `reader` in, in a browser of its own."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site}/login/")
    page.fill("input[name=username]", "reader")
    page.fill("input[name=password]", "reader")
    page.click("main form button")
    page.wait_for_url(f"{site}/")
    yield page
    context.close()


@pytest.fixture
def foreign_site(tmp_path: Path) -> Iterator[str]:
    """Serve an empty page under another origin of the same host."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Elsewhere</title>")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_own_page_in_a_browser_opens_a_stream(page: Page) -> None:
    """Ours: browsers send no Origin with an EventSource of the page's own site."""
    endpoint = page.evaluate(STREAM, ["/mcp/sse", False])
    assert endpoint.startswith("/mcp/messages?session_id=")


def test_foreign_page_in_a_browser_opens_no_stream(
    page: Page, site: str, foreign_site: str
) -> None:
    """Ours: the cookie goes along, the host being the same, and is worth nothing."""
    page.goto(foreign_site)
    assert page.evaluate(STREAM, [f"{site}/mcp/sse", True]) == "refused"


@pytest.mark.parametrize("script", [REQUEST, SOCKET], ids=["request", "socket"])
def test_own_page_in_a_browser_asks_the_server(
    script: str, page: Page, site: str
) -> None:
    """Ours: a page may use its site's MCP endpoint as the user who looks at it."""
    assert page.evaluate(script, f"{site}/mcp") == "library"


@pytest.mark.parametrize("script", [REQUEST, SOCKET], ids=["request", "socket"])
def test_foreign_page_in_a_browser_asks_nothing(
    script: str, page: Page, site: str, foreign_site: str
) -> None:
    """Ours: the cookie goes along here too, and is worth nothing."""
    page.goto(foreign_site)
    assert page.evaluate(script, f"{site}/mcp") == "refused"
