"""What tests of the authorization server share, such as a site with one endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from pytest_django import Settings

from mcp_django import Server
from mcp_django.oauth.preset import oauth2_provider
from tests.certificates import write_certificate
from tests.oauth.authorization_server.https_sites import HOST
from tests.oauth.authorization_server.programs import Program, site


@pytest.fixture(autouse=True)
def preset(settings: Settings) -> None:
    """Have the settings that mcp_django gives the toolkit, and an empty cache."""
    settings.OAUTH2_PROVIDER = oauth2_provider()
    caches["default"].clear()


@pytest.fixture
def server() -> Server:
    """Give a server with a scope of its own."""
    server = Server("shop", scopes={"shop:sell": "Sell things"})
    server.tool(name="count", read_only=True)(lambda: 1)
    server.tool(name="buy")(lambda: 2)
    server.tool(name="sell", scope="shop:sell")(lambda: 3)
    return server


@pytest.fixture
def shop(server: Server) -> Iterator[Server]:
    """Have the server at /mcp, with an authorization server."""
    with site(server):
        yield server


@pytest.fixture
def user(db: Any) -> User:
    """Give a user."""
    return User.objects.create_user("grace", password="hopper")


@pytest.fixture
def ada(db: Any) -> User:
    """Give another user."""
    return User.objects.create_user("ada")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the certificate of `https_sites.HOST`."""
    path = tmp_path_factory.mktemp("tls") / "client.pem"
    write_certificate(path, HOST)
    return path


@pytest.fixture
def program(shop: Server, user: User) -> Program:
    """Give a public program whose user has logged in."""
    program = Program.register()
    program.log_in(user)
    return program
