"""Client programs of others that log in at the demo, and their user in Chromium."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import IO, Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.live.interpreters import (
    python_with_fastmcp,
    python_with_sdk_1,
    python_with_sdk_2,
)
from tests.live.node import node, npm_packages
from tests.patience import PATIENCE_SECONDS

PROGRAMS = Path(__file__).parents[1] / "live" / "clients" / "oauth"
TYPESCRIPT_SDKS = {
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/client": "2.4.0",
}
MCP_REMOTE = {"mcp-remote": "0.15.1"}
NAMES = (
    "python-1",
    "python-2",
    "typescript-1",
    "typescript-2",
    "fastmcp",
    "mcp-remote",
)


def command_of(name: str, url: str, folder: Path) -> list[str]:
    """Give the command of a client program.

    Args:
        name: One of `NAMES`.
        url: Of the endpoint.
        folder: An empty one, where programs in TypeScript find the packages they need.
    """
    match name:
        case "python-1":
            return [python_with_sdk_1(), str(PROGRAMS / "sdk.py"), url]
        case "python-2":
            return [python_with_sdk_2(), str(PROGRAMS / "sdk.py"), url]
        case "fastmcp":
            return [python_with_fastmcp(), str(PROGRAMS / "fastmcp_client.py"), url]
        case "mcp-remote":
            packages = npm_packages("mcp-remote", MCP_REMOTE)
            remote = packages / "node_modules" / "mcp-remote" / "dist" / "proxy.js"
            program = str(PROGRAMS / "proxy.py")
            return [python_with_sdk_2(), program, url, node(), str(remote)]
        case _:
            packages = npm_packages("typescript-sdk", TYPESCRIPT_SDKS)
            (folder / "node_modules").symlink_to(packages / "node_modules")
            for file in PROGRAMS.glob("*.mjs"):
                shutil.copy(file, folder)
            return [node(), str(folder / f"{name.replace('-', '_')}.mjs"), url]


class Program:
    """A running client program.

    Args:
        process: With pipes for what it is told and says.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._said: Queue[str] = Queue()
        assert process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=[process.stdout])
        self._reader.start()

    def tell(self, **what: Any) -> None:
        """Tell it what to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def call(self, tool: str, **arguments: Any) -> None:
        """Let it call a tool."""
        self.tell(call=tool, arguments=arguments)

    def hear(self) -> dict[str, str]:
        """Give what it says next.

        Raises:
            queue.Empty: It says nothing.
            AssertionError: It has ended.
        """
        line = self._said.get(timeout=PATIENCE_SECONDS)
        assert line, "the program has ended"
        said: dict[str, str] = json.loads(line)
        return said

    def end(self) -> None:
        """Let it end, and wait for that."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._said.put(line)
        self._said.put("")


@contextmanager
def running(name: str, url: str, folder: Path, path: str) -> Iterator[Program]:
    """Run a client program until the end of the block.

    Args:
        name: One of `NAMES`.
        url: Of the endpoint.
        folder: An empty one for its files and its log.
        path: `PATH` of the program, which shall find no browser.
    """
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command_of(name, url, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={
                "PATH": path,
                "HOME": str(folder),
                "MCP_REMOTE_CONFIG_DIR": str(folder / "mcp-remote"),
            },
        )
        program = Program(process)
        try:
            yield program
        finally:
            program.end()


class Person:
    """The user, in a browser that knows nothing of them yet.

    Args:
        browser: Theirs.
        site: Address of the demo, without a path.
        name: The user's name, which is their password, too.
    """

    def __init__(self, browser: Browser, site: str, name: str) -> None:
        self._page = browser.new_page()
        self._site = site
        self._name = name

    def allow(self, url: str, scopes: Sequence[str] | None = None) -> None:
        """Go where a program wants, log in if need be, and allow it what it asks.

        Args:
            url: Where the program wants its user to go.
            scopes: All that is allowed; None for all that the program asks for.
        """
        page = self._come_to_consent(url)
        if scopes is not None:
            for box in page.locator("input[type=checkbox][name=granted]").all():
                box.set_checked(box.get_attribute("value") in scopes)
        self._decide(page, "Allow")

    def deny(self, url: str) -> None:
        """Go where a program wants, log in if need be, and deny it all."""
        self._decide(self._come_to_consent(url), "Deny")

    def close(self) -> None:
        """Close the browser's window."""
        self._page.close()

    def _come_to_consent(self, url: str) -> Page:
        page = self._page
        page.goto(url)
        if page.locator("input[name=password]").count():
            page.fill("input[name=username]", self._name)
            page.fill("input[name=password]", self._name)
            page.press("input[name=password]", "Enter")
            page.wait_for_url("**/authorize?**")
        return page

    def _decide(self, page: Page, button: str) -> None:
        page.get_by_role("button", name=button).click()
        site = urlsplit(self._site).netloc
        page.wait_for_url(lambda url: urlsplit(url).netloc != site)
