"""The console while its server ends, and comes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.pages.browser.conftest import Site, Watched
from tests.pages.browser.console import Console

ENDED = re.compile("has ended the connection|does not answer")
"""It may answer still, or no longer, when the console asks it why."""

pytestmark = pytest.mark.live


def test_restart_is_said_and_the_way_back_works(
    window: BrowserContext, site: Site, watched: Watched
) -> None:
    """We promise it: over each binding; what was filled in is kept."""
    consoles = []
    for binding in ("streamable-http", "sse", "websocket"):
        page = window.new_page()
        watched.watch(page)
        console = Console(page, f"{site.url}/bench")
        console.open(binding)
        console.share("tools", "quote", text=f"over {binding}")
        consoles.append((binding, console))
    site.stop()
    for _, console in consoles:
        expect(console.status).to_contain_text(ENDED)
    site.start()
    for binding, console in consoles:
        console.button("Connect again").click()
        expect(console.status).to_contain_text("Connected as clerk")
        console.button("Call").click()
        expect(console.outcome).to_contain_text(f"over {binding}")
        console.page.close()
