"""A real Daphne on the test database, in test cases and as a fixture."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings, settings
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import Client as Browser
from django.test import override_settings
from django.urls import include, path

from mcp_django import Client, HTTPRefused, Server, SyncClient
from mcp_django.testing import MCPLiveServer, MCPLiveServerTestCase
from mcp_django.testing.live import path_of, refuse_memory_databases
from mcp_django.testing.process import DaphneProcess
from mcp_django.tokens.models import Token
from tests import patience
from tests.interaction.client import text_of
from tests.site.mcp import server

pytest_plugins = ["mcp_django.testing.fixtures"]

ROOT = Path(__file__).resolve().parents[2]
BOUND = patience.PATIENCE_SECONDS


@pytest.mark.live
class SiteTests(MCPLiveServerTestCase):
    """With users, tokens and sessions in the test database."""

    def setUp(self) -> None:
        self.ada = User.objects.create_user("ada")
        self.token = Token.issue(self.ada, "Test")[1]

    def test_token_opens_the_server(self) -> None:
        """Chosen: over HTTP and over WebSocket."""
        for url in (self.mcp_url, self.ws_url):
            with self.subTest(url), SyncClient(url, token=self.token) as client:
                result = client.call_tool("name_user")
                self.assertEqual(text_of(result), "ada")

    def test_session_of_the_browser_opens_the_server(self) -> None:
        """Chosen: `force_login` of Django's own test client makes one."""
        browser = Browser()
        browser.force_login(self.ada)
        name = settings.SESSION_COOKIE_NAME
        headers = {"Cookie": f"{name}={browser.cookies[name].value}"}

        with SyncClient(self.mcp_url, headers=headers) as client:
            result = client.call_tool("name_user")

        self.assertEqual(text_of(result), "ada")

    def test_nobody_is_refused(self) -> None:
        """Chosen: as in production."""
        with self.assertRaises(HTTPRefused), SyncClient(self.mcp_url):
            pass

    def test_permissions_are_looked_up_in_the_test_database(self) -> None:
        """Chosen."""
        with SyncClient(self.mcp_url, token=self.token) as client:
            before = {tool.name for tool in client.list_tools()}
            permission = Permission.objects.get(codename="view_user")
            self.ada.user_permissions.add(permission)
            after = {tool.name for tool in client.list_tools(fresh=True)}

        self.assertEqual(after - before, {"count_users"})

    def test_site_has_its_pages_and_static_files(self) -> None:
        """Chosen: it is the whole project."""
        import httpx2

        for page in ("/admin/login/", "/static/admin/css/base.css"):
            answer = httpx2.get(self.live_server_url + page)
            self.assertEqual(answer.status_code, 200)


@pytest.mark.live
@override_settings(MCP={"AUTHENTICATION": []})
class OpenSiteTests(MCPLiveServerTestCase):
    """With settings that hold for the class."""

    server = server

    def test_settings_of_the_class_hold_for_daphne(self) -> None:
        """Chosen: it is started with them."""
        with SyncClient(self.mcp_url) as client:
            result = client.call_tool("name_user")

        self.assertEqual(text_of(result), "")


@pytest.mark.live
def test_fixture_gives_a_running_site(mcp_live_server: MCPLiveServer) -> None:
    """Chosen: what the test writes is committed, and Daphne finds it."""
    token = Token.issue(User.objects.create_user("ada"), "Test")[1]

    with SyncClient(mcp_live_server.mcp_url, token=token) as client:
        result = client.call_tool("name_user")

    assert text_of(result) == "ada"
    assert not connection.in_atomic_block
    assert mcp_live_server.url.startswith("http://127.0.0.1:")
    assert mcp_live_server.ws_url == f"ws{mcp_live_server.url[4:]}/mcp/"


@pytest.mark.live
async def test_fixture_serves_async_tests(mcp_live_server: MCPLiveServer) -> None:
    """Chosen: users of earlier tests are gone."""
    assert not await User.objects.aexists()
    user = await User.objects.acreate(username="grace")
    _, token = await sync_to_async(Token.issue)(user, "Test")

    with anyio.fail_after(BOUND):
        async with Client(mcp_live_server.ws_url, token=token) as client:
            result = await client.call_tool("name_user")

    assert text_of(result) == "grace"


# How Daphne is started ----------------------------------------------------------------


def no_application() -> Any:
    """Fail, as a project does whose ASGI application cannot be imported."""
    raise LookupError("no application here")


@pytest.mark.live
def test_reason_is_given_if_daphne_does_not_start() -> None:
    """Chosen: with the traceback of the other process, which is gone."""
    process = DaphneProcess("127.0.0.1", no_application)

    with pytest.raises(RuntimeError, match=r"(?s)did not start.*no application here"):
        process.start()

    assert not process.is_alive()


@pytest.mark.live
def test_process_that_dies_without_a_word_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: it is not waited for."""
    process = DaphneProcess("127.0.0.1", no_application)
    monkeypatch.setattr(sys, "executable", shutil.which("true"))

    with pytest.raises(RuntimeError, match="it ended, and said why on standard error"):
        process.start()

    assert not process.is_alive()


@pytest.mark.live
def test_process_ends_with_the_tests(django_db_setup: None, tmp_path: Path) -> None:
    """Chosen: also if they are killed, which closes its standard input."""
    script = (
        "import os, signal, django\n"
        "django.setup()\n"
        "from functools import partial\n"
        "from channels.testing.live import make_application\n"
        "from mcp_django.testing.process import DaphneProcess\n"
        "application = partial(make_application, static_wrapper=None)\n"
        "process = DaphneProcess('127.0.0.1', application)\n"
        "process.start()\n"
        "print(process.port.value, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=BOUND,
        check=False,
    )

    # Daphne has the standard error of the script, and no other sign of its end.
    port = int(done.stdout)
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(until_refused, port)


async def until_refused(port: int) -> None:
    """Wait until nothing listens on a port."""
    with anyio.fail_after(BOUND):
        while True:
            try:
                stream = await anyio.connect_tcp("127.0.0.1", port)
            except OSError:
                return
            # Ends when the process does.
            async with stream:
                with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    await stream.receive()


def test_database_in_memory_is_refused() -> None:
    """Chosen: the error says what to do."""
    names = {"NAME": ":memory:", "TEST": {}, "OPTIONS": {}}
    database = DatabaseWrapper(names, "other")

    with pytest.raises(ImproperlyConfigured, match=r"\['other'\]\['TEST'\] = {'NAME'"):
        refuse_memory_databases([connection, database])
    refuse_memory_databases([connection])


def test_settings_that_another_process_cannot_have_are_refused(
    settings: LazySettings,
) -> None:
    """Chosen: the error names them."""
    settings.GREETING = lambda: "hello"

    with pytest.raises(ImproperlyConfigured, match="the setting 'GREETING' was"):
        DaphneProcess("127.0.0.1", no_application).start()


def test_settings_without_a_module_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen: another process could not find them."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")

    with pytest.raises(ImproperlyConfigured, match="DJANGO_SETTINGS_MODULE"):
        DaphneProcess("127.0.0.1", no_application).start()


# Where a server is --------------------------------------------------------------------

inner = Server("inner")
nowhere = Server("nowhere")

urlpatterns = [
    path("by/<slug:name>/", include(inner.urls("tools"))),
    path("far/", include((inner.urls("away"), "away"), namespace="away")),
    path("by/<slug:name>/", include(nowhere.urls("tools"))),
]


def test_url_is_found_in_the_url_patterns() -> None:
    """Chosen: of several the first without parameters, also in a namespace."""
    with override_settings(ROOT_URLCONF=__name__):
        assert path_of(inner) == "/far/away/"
    assert path_of() == "/mcp/"


def test_server_without_a_url_is_refused() -> None:
    """Chosen: the error says where it is missing."""
    with (
        override_settings(ROOT_URLCONF=__name__),
        pytest.raises(ImproperlyConfigured, match=rf"'nowhere' has no .*{__name__}"),
    ):
        path_of(nowhere)
