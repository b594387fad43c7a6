"""The console on a page, as its user sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Locator, Page, expect


@dataclass
class Console:
    """The console of an endpoint.

    Attributes:
        page: Where it is.
        endpoint: URL of the endpoint.
        user: Who is to use it.
    """

    page: Page
    endpoint: str
    user: str = "clerk"

    @property
    def path(self) -> str:
        """Path of the endpoint."""
        return urlsplit(self.endpoint).path

    @property
    def site(self) -> str:
        """Address of its site, without a path."""
        return self.endpoint.removesuffix(self.path)

    def visit(self) -> None:
        """Log in, and go to the page."""
        self.page.goto(f"{self.site}/enter/{self.user}/?next={self.path}/console/")

    def log_out_elsewhere(self) -> None:
        """End the login, as in another window."""
        self.page.request.get(f"{self.site}/leave/")

    def open(self, binding: str = "streamable-http", version: str = "") -> None:
        """Go to the page, and connect."""
        self.visit()
        self.connect(binding, version)

    def connect(self, binding: str = "streamable-http", version: str = "") -> None:
        """Choose how to connect, and do."""
        self.page.get_by_label("Transport").select_option(binding)
        if version:
            self.page.get_by_label("Protocol version").select_option(version)
        self.button("Connect").click()
        expect(self.status).to_contain_text(f"Connected as {self.user}")
        expect(self.page.get_by_role("heading", name="Prompts")).to_be_visible()

    @property
    def status(self) -> Locator:
        """What is said of the connection."""
        return self.page.locator(".mcp-status")

    @property
    def outcome(self) -> Locator:
        """What came of the last call."""
        return self.page.locator(".mcp-outcome")

    @property
    def dialog(self) -> Locator:
        """What the server asks."""
        return self.page.get_by_role("dialog")

    @property
    def notices(self) -> Locator:
        """What the server told by itself."""
        return self.page.get_by_role("log")

    def button(self, name: str) -> Locator:
        """Find a button."""
        return self.page.get_by_role("button", name=name, exact=True)

    def share(self, kind: str, name: str, **values: Any) -> None:
        """Follow a link to a call, which fills in its form."""
        fragment = urlencode({kind: name, "with": json.dumps(values)})
        self.page.evaluate("fragment => { location.hash = fragment }", fragment)
        expect(self.page.locator(".mcp-call")).to_contain_text("A link has filled in")

    def call(self, name: str, **values: Any) -> None:
        """Have a tool called with these arguments."""
        self.share("tools", name, **values)
        expect(self.outcome).to_be_empty()
        self.button("Call").click()


def log_in(page: Page, name: str) -> None:
    """Log in at the page where one is sent to."""
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
