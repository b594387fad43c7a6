"""The way back from a login, on the user's own machine."""

from __future__ import annotations

import errno
import os
import pty
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from typing import TextIO
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from mcp_django.client.oauth.loopback import LoopbackRedirect
from mcp_django.exceptions import LoginFailed
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS

PAGE = "https://login.example/authorize?client_id=7&state=a%2Fb"
BACK = "code=c0de&state=a%2Fb"


@dataclass
class Login:
    """A login that waits, and what it showed.

    Attributes:
        uri: The redirect URI.
        query: With what the user came back; None until then.
        failure: Why they did not.
    """

    uri: str = ""
    query: str | None = None
    failure: LoginFailed | None = None
    told: list[str] = field(default_factory=list)
    browsed: list[str] = field(default_factory=list)
    is_shown: anyio.Event = field(default_factory=anyio.Event)
    is_browsed: anyio.Event = field(default_factory=anyio.Event)
    is_asked: anyio.Event = field(default_factory=anyio.Event)

    def browse(self, url: str) -> bool:
        self.browsed.append(url)
        anyio.from_thread.run_sync(self.is_browsed.set)
        return True

    def tell(self, text: str) -> None:
        self.told.append(text)
        if "paste" in text:
            self.is_asked.set()

    async def visit(self, host: str = "", query: str = BACK) -> httpx2.Response:
        """Come back, as a browser does."""
        headers = {"Host": host} if host else {}
        async with httpx2.AsyncClient(trust_env=False) as browser:
            return await browser.get(f"{self.uri}?{query}", headers=headers)


@asynccontextmanager
async def waiting(
    *,
    terminal: TextIO | None = None,
    browse: Callable[[str], bool] | None = None,
    timeout: float = PATIENCE_SECONDS,
    registered: str | None = None,
) -> AsyncIterator[Login]:
    """Begin a login, and wait at the end of the block until it is over."""
    login = Login()

    async def wait() -> None:
        redirect = LoopbackRedirect(
            tell=login.tell,
            browse=browse or login.browse,
            terminal=terminal,
            timeout=timeout,
        )
        try:
            async with redirect.receive(registered) as receiver:
                login.uri = receiver.uri
                login.is_shown.set()
                login.query = await receiver.visit(PAGE)
        except LoginFailed as error:
            login.failure = error

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await login.is_shown.wait()
            yield login


async def test_browser_is_sent_to_the_page_and_its_return_is_heard() -> None:
    """Chosen: the query goes on as it came, and the user reads that it worked."""
    async with waiting() as login:
        await login.is_browsed.wait()
        response = await login.visit()

    assert login.browsed == [PAGE]
    assert any(PAGE in text for text in login.told)
    assert login.query == BACK
    assert response.status_code == 200
    assert "Thank you" in response.text
    assert urlsplit(login.uri).hostname == "127.0.0.1"


async def test_page_of_the_return_gives_nothing_away() -> None:
    """Chosen: the code is in its address, which no other site shall see."""
    async with waiting() as login:
        response = await login.visit()

    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_refusal_goes_on_too_and_the_page_says_so() -> None:
    """Chosen: the program decides what an error means."""
    query = "error=access_denied&state=a%2Fb"
    async with waiting() as login:
        response = await login.visit(query=query)

    assert login.query == query
    assert "not logged in" in response.text


@pytest.mark.parametrize(
    "query", ["", "code=c0de", "code=c0de&state=b", "state=a%2Fb&state=b"]
)
async def test_return_from_another_login_is_refused_and_the_wait_goes_on(
    query: str,
) -> None:
    """The spec demands it: what has not our state is not our login.

    Spec: 2025-11-25 basic/authorization, "Open Redirection".
    """
    async with waiting() as login:
        refused = await login.visit(query=query)
        assert login.query is None
        await login.visit()

    assert refused.status_code == 400
    assert login.query == BACK


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost:80", "127.0.0.1.evil.example:80"]
)
async def test_other_name_of_the_address_is_refused(name: str) -> None:
    """Chosen: a page elsewhere that plays with DNS has no business here."""
    async with waiting() as login:
        refused = await login.visit(host=name)
        await login.visit()

    assert refused.status_code == 404


async def test_other_paths_and_methods_are_refused() -> None:
    """Chosen: browsers ask for an icon, too, and that ends nothing."""
    async with waiting() as login:
        async with httpx2.AsyncClient(trust_env=False) as browser:
            root = login.uri.removesuffix("/callback")
            icon = await browser.get(f"{root}/favicon.ico?{BACK}")
            posted = await browser.post(f"{login.uri}?{BACK}")
            looked = await browser.head(f"{login.uri}?{BACK}")
        assert login.query is None
        await login.visit()

    assert (icon.status_code, posted.status_code) == (404, 405)
    assert looked.status_code == 405


@pytest.mark.parametrize(
    "data",
    [b"", b"GET", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nA: " + b"a" * 99999],
)
async def test_what_is_no_request_keeps_nobody_waiting(data: bytes) -> None:
    """Chosen: other programs may knock at the port, and say what they want."""
    async with waiting() as login:
        port = urlsplit(login.uri).port or 0
        async with await anyio.connect_tcp("127.0.0.1", port) as knocking:
            with suppress(anyio.BrokenResourceError):  # Closed: it is too much.
                await knocking.send(data)
            with anyio.fail_after(SOON_SECONDS):
                await login.visit()

    assert login.query == BACK


async def test_registered_port_is_taken_again() -> None:
    """Chosen: some authorization servers compare the port, too."""
    async with waiting() as login:
        first = login.uri
        await login.visit()
    async with waiting(registered=first) as login:
        await login.visit()

    assert login.uri == first


async def test_registered_port_that_is_taken_is_no_failure() -> None:
    """Chosen: RFC 8252 lets any port match."""
    async with waiting() as login:
        async with waiting(registered=login.uri) as other:
            await other.visit()
        assert other.uri != login.uri
        await login.visit()


@pytest.mark.parametrize(
    "registered",
    ["https://claude.ai/cb", "http://127.0.0.1:1/other", "http://127.0.0.1/callback"],
)
async def test_other_registered_uri_gives_no_port(registered: str) -> None:
    """Chosen: only what was ours is listened to."""
    async with waiting(registered=registered) as login:
        await login.visit()

    assert urlsplit(login.uri).path == "/callback"


async def test_user_who_does_not_come_back_ends_the_login() -> None:
    """Chosen: a program waits for people, but not for ever."""
    async with waiting(timeout=0.05) as login:
        pass

    assert login.query is None
    assert "the user did not come back" in str(login.failure)


async def test_without_browser_and_terminal_the_login_fails_at_once() -> None:
    """Chosen: the user would not see the address."""
    async with waiting(browse=lambda url: False, terminal=StringIO()) as login:
        pass

    assert "no browser" in str(login.failure)


async def test_program_that_shows_nothing_itself_writes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Chosen: standard output may be what the program is for."""
    redirect = LoopbackRedirect(browse=None, timeout=0.01)
    async with redirect.receive() as receiver:
        with pytest.raises(LoginFailed):
            await receiver.visit(PAGE)

    written = capsys.readouterr()
    assert PAGE in written.err
    assert written.out == ""


async def test_browser_that_is_waited_for_hinders_nothing() -> None:
    """Chosen: some commands for browsers end when these do."""
    is_closed = threading.Event()

    def browse(url: str) -> bool:
        return is_closed.wait(PATIENCE_SECONDS)

    async with waiting(browse=browse) as login:
        await login.visit()

    is_closed.set()
    assert login.query == BACK


# By hand ------------------------------------------------------------------------


@dataclass
class Terminal:
    """A terminal: where the program reads, and where the user types."""

    reader: TextIO
    keyboard: int

    def type(self, text: str) -> None:
        os.write(self.keyboard, text.encode())


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of its own."""
    keyboard, line = pty.openpty()
    with open(line, encoding="utf-8") as reader:
        yield Terminal(reader, keyboard)
    try:
        os.close(keyboard)
    except OSError as error:
        assert error.errno == errno.EBADF


async def test_user_types_the_address_where_the_browser_is_elsewhere(
    terminal: Terminal,
) -> None:
    """Chosen: a server without a desktop is where commands are needed most."""
    async with waiting(browse=lambda url: False, terminal=terminal.reader) as login:
        await login.is_asked.wait()
        terminal.type(f"{login.uri}?{BACK}\n")

    assert login.query == BACK


async def test_wrong_address_is_told_and_asked_for_again(terminal: Terminal) -> None:
    """Chosen: of two tabs people copy the wrong one first."""
    async with waiting(terminal=terminal.reader) as login:
        terminal.type(f"{login.uri}?code=c0de&state=other\n")
        terminal.type("\n")
        terminal.type(f"{login.uri}?{BACK}#here\n")

    assert login.query == BACK
    assert sum("not the address" in text for text in login.told) == 1


async def test_what_is_typed_after_the_login_is_left_for_others(
    terminal: Terminal,
) -> None:
    """Chosen: the next line may answer a question of the server's."""
    async with waiting(terminal=terminal.reader) as login:
        await login.visit()
    terminal.type("next\n")

    assert await anyio.to_thread.run_sync(terminal.reader.readline) == "next\n"
