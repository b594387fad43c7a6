"""Programs by others log in at the demo, each with its own code for OAuth.

They are what people use: the official SDKs, FastMCP, and mcp-remote, which stands
between hosts that know no OAuth and servers that want it. Their user is in Chromium.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.demo.conftest import Demo
from tests.demo.oauth_programs import NAMES, Person, running
from tests.live.node import has_npm

pytestmark = pytest.mark.live


@pytest.fixture
def person(chromium: Browser, site: str) -> Iterator[Person]:
    """Give a reader of the library, who has not logged in yet."""
    person = Person(chromium, site, "reader")
    yield person
    person.close()


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    """Give an empty folder for a program's files."""
    needs_npm = name.startswith(("typescript", "mcp-remote"))
    if needs_npm and not has_npm() and not os.environ.get("CI"):
        pytest.skip("npm is not installed (Debian's package: npm)")
    return tmp_path


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a `PATH` where no program finds a browser that it could open."""
    return str(tmp_path_factory.mktemp("empty"))


def expire_tokens(demo: Demo) -> None:
    """Let all access tokens that there are have ended."""
    with closing(sqlite3.connect(demo.database, timeout=20)) as connection:
        connection.execute(
            "UPDATE oauth2_provider_accesstoken SET expires = datetime('now')"
        )
        connection.commit()


@pytest.mark.parametrize("name", NAMES)
def test_program_logs_in_calls_refreshes_and_asks_for_more(
    name: str, site: str, demo: Demo, person: Person, folder: Path, path: str
) -> None:
    """Ours: with a right to read alone, until the user allows more.

    The 1.x release in TypeScript cannot ask for more: it refreshes its token.
    """
    with running(name, f"{site}/mcp", folder, path) as program:
        person.allow(program.hear()["open"], ["mcp:read"])
        assert program.hear() == {"text": "logged in"}
        program.call("search_books", text="sea")
        assert "text" in program.hear()

        expire_tokens(demo)
        program.tell(expire=True)
        program.call("search_books", text="sea")
        assert "text" in program.hear()

        program.call("search_books", only_free=True, limit=1)
        [book] = json.loads(program.hear()["text"])
        program.call("borrow_book", isbn=book["isbn"], days=7)
        said = program.hear()
        if name == "typescript-1":
            assert "403" in said["error"]
            return
        person.allow(said["open"])
        assert "text" in program.hear()
        program.call("return_book", isbn=book["isbn"])
        assert "text" in program.hear()


@pytest.mark.parametrize("name", NAMES)
def test_program_is_told_that_its_user_denied(
    name: str, site: str, person: Person, folder: Path, path: str
) -> None:
    """Spec: RFC 6749, section 4.1.2.1: it is `access_denied`.

    mcp-remote tells it to its log alone.
    """
    with running(name, f"{site}/mcp", folder, path) as program:
        person.deny(program.hear()["open"])
        said = program.hear()["error"]
    log = (folder / "log").read_text()
    assert re.search("access_denied|Access was denied", said + log)
