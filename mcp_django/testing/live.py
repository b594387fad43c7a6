"""A real Daphne for tests, on the test database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Final

from channels.testing import ChannelsLiveServerTestCase
from channels.testing.live import make_application
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test.utils import modify_settings
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse

from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.testing.async_client import the_only_server
from mcp_django.testing.process import DaphneProcess

_HOST: Final = "127.0.0.1"


class MCPLiveServer:
    """The project as a real Daphne serves it; the fixture `mcp_live_server` gives one.

    Args:
        url: Address of the site, without a path.
        server: Whose URLs are wanted; the project's only server if left out.

    Attributes:
        url: Address of the site, without a path.
    """

    def __init__(self, url: str, server: Server | None = None) -> None:
        self.url = url
        self._server = server

    @property
    def mcp_url(self) -> str:
        """URL of the server, for `Client` and `SyncClient`."""
        return self.url + path_of(self._server)

    @property
    def ws_url(self) -> str:
        """URL of the server over a WebSocket."""
        return self.mcp_url.replace("http", "ws", 1)


class MCPLiveServerTestCase(ChannelsLiveServerTestCase):
    """Runs a real Daphne while the tests of the class run; `mcp_url` is where.

    It is a `TransactionTestCase`: the tables are emptied after each test. What
    `override_settings` has changed for the class holds for Daphne, too.

    Attributes:
        server: Whose URLs are wanted; None for the project's only server.
    """

    host = _HOST
    ProtocolServerProcess = DaphneProcess
    server: ClassVar[Server | None] = None

    @property
    def mcp_url(self) -> str:
        """URL of the server, for `SyncClient`."""
        return MCPLiveServer(self.live_server_url, self.server).mcp_url

    @property
    def ws_url(self) -> str:
        """URL of the server over a WebSocket."""
        return MCPLiveServer(self.live_server_url, self.server).ws_url

    @classmethod
    def setUpClass(cls) -> None:
        """Start Daphne.

        Raises:
            ImproperlyConfigured: The test database is in memory.
        """
        refuse_memory_databases(connections.all())
        if _static_wrapper() is None:
            cls.serve_static = False
        super().setUpClass()


@contextmanager
def running_daphne() -> Iterator[str]:
    """Serve the project with Daphne, and give its address, to the end of the block.

    Raises:
        ImproperlyConfigured: The test database is in memory.
    """
    refuse_memory_databases(connections.all())
    application = partial(make_application, static_wrapper=_static_wrapper())
    process = DaphneProcess(_HOST, application)
    with modify_settings(ALLOWED_HOSTS={"append": _HOST}):
        process.start()
    try:
        yield f"http://{_HOST}:{process.port.value}"
    finally:
        process.terminate()
        process.join()


def refuse_memory_databases(databases: Iterable[Any]) -> None:
    """Refuse databases that only this process has.

    Args:
        databases: Django's connections with them.

    Raises:
        ImproperlyConfigured: One is in memory.
    """
    for database in databases:
        if database.vendor == "sqlite" and database.is_in_memory_db():
            raise ImproperlyConfigured(
                f"the test database {database.alias!r} is in memory, where Daphne, a "
                "process of its own, cannot find it; give it a file, as in "
                f"DATABASES[{database.alias!r}]['TEST'] = "
                "{'NAME': BASE_DIR / 'test.sqlite3'}"
            )


def path_of(server: Server | None = None) -> str:
    """Give the path of a server in the project's URLs.

    Args:
        server: Which one; the project's only server if left out.

    Raises:
        ImproperlyConfigured: The URLconf has no path of it, or only paths with
            parameters.
        ValueError: The project has no server, or more than one.
    """
    server = server or the_only_server()
    for found, name in _names_below(get_resolver()):
        if found is server:
            try:
                return reverse(name)
            except NoReverseMatch:
                continue
    raise ImproperlyConfigured(
        f"server {server.name!r} has no URL without parameters in "
        f"{settings.ROOT_URLCONF}; add its urls there"
    )


def _names_below(
    resolver: URLResolver, namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[Server, str]]:
    """Give each server of a URLconf with the name of its URL, for `reverse`."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = (pattern.namespace,) if pattern.namespace else ()
            yield from _names_below(pattern, (*namespaces, *inner))
            continue
        # Of the two paths of a server one has a name.
        endpoint, name = pattern.callback, pattern.name
        if isinstance(endpoint, Endpoint) and endpoint.binding == "mcp" and name:
            yield endpoint.server, ":".join((*namespaces, name))


def _static_wrapper() -> type[ASGIStaticFilesHandler] | None:
    """Give what serves static files, if the project has any."""
    has_static = "django.contrib.staticfiles" in settings.INSTALLED_APPS
    return ASGIStaticFilesHandler if has_static else None
