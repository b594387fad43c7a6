"""A reader connects a program by hand: with the page, and a token made there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from mcp_django.pages.clients import Target, Way, find_client
from tests.demo.conftest import Demo
from tests.demo.programs import browsing, log_in
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "by-hand", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Mcp-Method": "tools/list",
    "MCP-Protocol-Version": "2026-07-28",
}


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Give a page of a phone that runs no scripts."""
    with browsing(
        chromium, viewport={"width": 320, "height": 640}, java_script_enabled=False
    ) as page:
        yield page


def test_reader_connects_by_a_token_and_revokes_it(page: Page, site: str) -> None:
    """We promise it: without scripts, on a phone, and nothing leaves the site."""
    asked: list[Request] = []
    faults: list[ConsoleMessage] = []
    page.on("request", lambda request: asked.append(request))
    page.on("console", lambda fault: faults.append(fault))

    page.goto(f"{site}/")
    page.get_by_role("navigation").get_by_role("link", name="Connect").click()
    log_in(page)
    page.get_by_role("heading", name="Claude Code").click()
    command = f"claude mcp add --transport http library {site}/mcp"
    expect(page.get_by_text(command, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Add to Cursor")).to_be_hidden()

    page.get_by_label("Name").fill("By hand")
    page.get_by_role("button", name="Make the token").click()
    shown = page.get_by_role("status").get_by_text(re.compile(r"^mcp_[\w-]{43}$"))
    token = shown.inner_text()
    headers = HEADERS | {"Authorization": f"Bearer {token}"}
    answer = httpx2.post(f"{site}/mcp", json=LIST, headers=headers)
    assert answer.status_code == 200

    page.get_by_role("link", name="See and revoke").click()
    expect(page.get_by_text(token)).to_have_count(0)
    card = page.get_by_role("region", name="By hand")
    expect(card.get_by_text("usable")).to_be_visible()
    card.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(card.get_by_text("revoked")).to_be_visible()
    assert httpx2.post(f"{site}/mcp", json=LIST, headers=headers).status_code == 401

    assert not [r.url for r in asked if not r.url.startswith((site, "data:"))]
    assert not [fault.text for fault in faults]


def test_program_of_the_page_calls_the_site(demo: Demo, site: str) -> None:
    """We promise it: what is shown for an SDK runs as it stands there."""
    token = demo.manage("mcp_token", "create", "reader", "--name", "SDK").split()[-1]
    client = find_client("sdk")
    assert client is not None
    [step] = client.steps(Target("library", "", f"{site}/mcp", token), Way.TOKEN)

    assert "search_books" in demo.run("-c", step.code).split()


def test_program_of_the_page_logs_in(chromium: Browser, site: str) -> None:
    """We promise it: so does the one that its user lets in in the browser."""
    client = find_client("sdk")
    assert client is not None
    [step] = client.steps(Target("library", "", f"{site}/mcp"), Way.OAUTH)

    with (
        subprocess.Popen(
            [sys.executable, "-c", step.code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "BROWSER": "true"},
        ) as program,
        browsing(chromium) as page,
    ):
        assert program.stderr is not None
        shown = (re.search(r"https?://\S+", line) for line in program.stderr)
        page.goto(next(url[0] for url in shown if url))
        log_in(page)
        page.get_by_role("button", name="Allow").click()
        printed, faults = program.communicate(timeout=PATIENCE_SECONDS)

    assert "search_books" in printed.split(), faults
