"""Users whom the web server has logged in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from pytest_django import Settings

from mcp_django.auth.interface import Identity
from mcp_django.auth.remote_user import RemoteUserAuthenticator
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.worker.thread_loop import end_thread_loop
from tests.consumers import shop
from tests.consumers.streamable import BOTH, call_of, headers_of, modern

# Over WSGI the user is read in threads.
pytestmark = pytest.mark.django_db(transaction=True)

urlpatterns = [*shop.server.urls("mcp")]

REMOTE_USERS = "django.contrib.auth.backends.RemoteUserBackend"
OVER_HEADER = f"{__name__}.LoginProxyAuthenticator"


class LoginProxyAuthenticator(RemoteUserAuthenticator):
    """Takes the word of a proxy."""

    header = "HTTP_X_LOGIN_USER"


@pytest.fixture(autouse=True)
def backends(settings: Settings) -> Iterator[None]:
    """Have the site take the server's word."""
    settings.ROOT_URLCONF = __name__
    settings.AUTHENTICATION_BACKENDS = [REMOTE_USERS]
    settings.MCP = {
        "AUTHENTICATION": ["mcp_django.auth.remote_user.RemoteUserAuthenticator"]
    }
    yield
    end_thread_loop()


def identity_of(**meta: Any) -> Identity | None:
    """Authenticate a request of which the server says something."""
    return RemoteUserAuthenticator().authenticate(RequestFactory().post("/mcp", **meta))


def call(headers: dict[str, str] | None = None, **environ: Any) -> Any:
    """Call a tool over WSGI."""
    message = call_of("add", a=1)
    return Client().post(
        "/mcp",
        modern(message),
        content_type="application/json",
        headers={"accept": BOTH, **headers_of(message), **(headers or {})},
        **environ,
    )


def test_word_of_the_server_is_taken_over_wsgi() -> None:
    """Chosen: as Django's `RemoteUserMiddleware`, whose backend makes unknown users."""
    response = call(REMOTE_USER="ada")

    assert response.status_code == 200
    assert User.objects.get().username == "ada"


@pytest.mark.parametrize("name", ["Remote-User", "REMOTE_USER", "remote_user"])
def test_client_cannot_say_it_in_a_header(name: str) -> None:
    """Chosen: the server's word is in the environment, under a name no header has."""
    assert call(headers={name: "ada"}).status_code == 401
    assert not User.objects.exists()


def test_header_of_a_proxy_is_taken_where_a_subclass_says_so(
    settings: Settings,
) -> None:
    """Chosen: `header`, as with Django's middleware."""
    settings.MCP = {"AUTHENTICATION": [OVER_HEADER]}

    assert call(headers={"X-Login-User": "ada"}).status_code == 200
    assert call(REMOTE_USER="ada").status_code == 401


@pytest.mark.parametrize("meta", [{}, {"REMOTE_USER": ""}])
def test_request_without_a_user_has_no_credential(meta: dict[str, Any]) -> None:
    """Chosen: so that the next authenticator is asked."""
    assert identity_of(**meta) is None


def test_user_whom_no_backend_takes_is_refused(settings: Settings) -> None:
    """Chosen: the log says what to do, and the client no more than it knows."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    with pytest.raises(AuthenticationFailed, match="'ada' of REMOTE_USER") as told:
        identity_of(REMOTE_USER="ada")

    assert told.value.description == "the site does not know this user"


def test_inactive_user_is_refused() -> None:
    """Chosen: as everywhere."""
    User.objects.create_user("ada", is_active=False)

    with pytest.raises(AuthenticationFailed):
        identity_of(REMOTE_USER="ada")


def test_identity_lasts_as_long_as_its_user_is_active() -> None:
    """Chosen: what is open ends with the user."""
    identity = identity_of(REMOTE_USER="ada")
    assert identity is not None
    authenticator = RemoteUserAuthenticator()
    assert authenticator.is_still_valid(identity)

    User.objects.update(is_active=False)

    assert not authenticator.is_still_valid(identity)
