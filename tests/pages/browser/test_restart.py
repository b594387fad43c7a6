"""The console while its server ends, and comes back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.browser.conftest import Site, Watched
from tests.pages.browser.test_console import Console

ENDED = re.compile("has ended the connection|does not answer")
"""It may answer still, or no longer, when the console asks it why."""

pytestmark = pytest.mark.live


def test_restart_is_said_and_the_way_back_works(
    chromium: Browser, tmp_path: Path
) -> None:
    """We promise it: over each binding; what was filled in is kept."""
    site = Site(tmp_path)
    watched = Watched(site)
    consoles = []
    context = chromium.new_context()
    with site.running():
        for binding in ("streamable-http", "sse", "websocket"):
            page = context.new_page()
            watched.watch(page)
            console = Console(page, site)
            console.open(binding)
            console.share("tools", "quote", text=f"over {binding}")
            consoles.append((binding, console))
    for _, console in consoles:
        expect(console.status).to_contain_text(ENDED)
    with site.running():
        for binding, console in consoles:
            console.button("Connect again").click()
            expect(console.status).to_contain_text("Connected as clerk")
            console.button("Call").click()
            expect(console.outcome).to_contain_text(f"over {binding}")
    context.close()

    assert watched.faults == []
