"""Our own client logs in at the demo, whose pages a user visits in a real Chromium."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import anyio.to_thread
import httpx2
import pytest
from playwright.sync_api import Browser

from mcp_django import SyncClient, ToolError
from mcp_django.client.oauth import FileStorage, OAuth, Receiver, Redirect
from tests.demo.programs import Callback, browsing, listening, log_in
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live


class Shown(Redirect, Receiver):
    """Pages that another thread shows to the user.

    Attributes:
        pages: URLs to show.
    """

    def __init__(self, callback: Callback) -> None:
        self.uri = callback.uri
        self.pages: queue.Queue[str] = queue.Queue()
        self._callback = callback

    @asynccontextmanager
    async def receive(self, registered: str | None = None) -> AsyncIterator[Receiver]:
        """Listen at the callback."""
        yield self

    async def visit(self, url: str) -> str:
        """Have a page shown, and give what its user came back with."""
        self.pages.put(url)
        return urlencode(await anyio.to_thread.run_sync(self._callback.wait))


def use_library(url: str, auth: OAuth) -> set[str]:
    """List the tools, and call one that lends; give the names of the tools."""
    with SyncClient(url, auth=auth) as library:
        names = {tool.name for tool in library.list_tools()}
        with pytest.raises(ToolError, match="no book"):
            library.call_tool("borrow_book", {"isbn": 13 * "0"})
    return names


def test_client_logs_in_steps_up_and_does_not_ask_again(
    site: str, chromium: Browser, tmp_path: Path
) -> None:
    """Chosen: our two halves understand each other, over what is on the wire."""
    url = f"{site}/mcp"
    storage = FileStorage(tmp_path / "tokens.json")
    with (
        listening() as callback,
        browsing(chromium) as page,
        ThreadPoolExecutor(1) as pool,
    ):
        user = Shown(callback)
        auth = OAuth(redirect=user, storage=storage, client_name="Our own client")
        used = pool.submit(use_library, url, auth)
        page.goto(user.pages.get(timeout=PATIENCE_SECONDS))
        log_in(page)
        # Only to read: the tool that lends needs more, and the user is asked for it.
        for box in page.get_by_role("checkbox").all():
            box.set_checked(box.get_attribute("value") == "mcp:read")
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url("**/done")
        page.goto(user.pages.get(timeout=PATIENCE_SECONDS))
        page.get_by_role("button", name="Allow").click()
        assert "borrow_book" in used.result(timeout=PATIENCE_SECONDS)

        auth = OAuth(storage=storage)
        used = pool.submit(use_library, url, auth)
        assert "borrow_book" in used.result(timeout=PATIENCE_SECONDS)
        scopes = pool.submit(anyio.run, auth.granted_scopes, url).result()
        assert scopes == frozenset({"mcp:read", "mcp:write", "library:lend"})
        record = pool.submit(anyio.run, storage.get, url).result()
        pool.submit(anyio.run, auth.forget, url).result()

    assert record is not None
    token = record["tokens"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx2.post(url, json={}, headers=headers).status_code == 401
