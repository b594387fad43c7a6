"""Django login sessions as credentials."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from mcp_django.auth.challenges import challenge_of
from mcp_django.auth.django_session import SessionAuthenticator
from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.faults import says_away
from mcp_django.exceptions import AuthenticationFailed

pytestmark = pytest.mark.django_db

ALLOW_ALL = "django.contrib.auth.backends.AllowAllUsersModelBackend"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="lovelace")


@pytest.fixture
def session_key(client: Client, ada: User) -> str:
    """The session key of Ada's browser, after she logged in."""
    client.force_login(ada)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def request_with(session_key: str | None) -> HttpRequest:
    request = RequestFactory().post("/mcp")
    if session_key is not None:
        request.COOKIES[django_settings.SESSION_COOKIE_NAME] = session_key
    return request


def authenticate(session_key: str | None) -> Identity | None:
    return SessionAuthenticator().authenticate(request_with(session_key))


def is_still_valid(session_key: str, user: User) -> bool:
    authenticator = SessionAuthenticator()
    return authenticator.is_still_valid(Identity(user, authenticator, session_key))


def open_session(session_key: str | None = None) -> SessionBase:
    engine = import_module(django_settings.SESSION_ENGINE)
    store: SessionBase = engine.SessionStore(session_key)
    return store


def test_login_session_names_its_user(session_key: str, ada: User) -> None:
    """Chosen: the site's login is good for MCP too."""
    authenticator = SessionAuthenticator()
    identity = authenticator.authenticate(request_with(session_key))
    assert identity == Identity(ada, authenticator, session_key)
    assert authenticator.is_still_valid(identity)


def test_cookies_are_declared_and_no_scheme_is_asked_for() -> None:
    """Spec: RFC 9110, section 11.1: there is no authentication scheme for cookies."""
    assert SessionAuthenticator.uses_cookies
    failure = AuthenticationFailed("over")
    request = request_with(None)
    assert challenge_of(SessionAuthenticator(), request, failure) == ""


@pytest.mark.parametrize(
    "session_key",
    [
        None,
        "",
        "short",
        "unknownunknownunknownunknownunkn",
        "\0" * 32,
        "../../../../../../etc/passwd",
        "é" * 32,
        "x" * 10_000,
    ],
)
def test_cookie_of_no_session_is_no_credential(session_key: str | None) -> None:
    """Chosen: it is what browsers of anonymous visitors send."""
    assert authenticate(session_key) is None


def test_session_without_login_is_no_credential() -> None:
    """Chosen: anonymous visitors may have sessions."""
    session = open_session()
    session["basket"] = [1]
    session.save()
    assert session.session_key is not None
    assert authenticate(session.session_key) is None


def test_logout_ends_it(client: Client, session_key: str, ada: User) -> None:
    """Chosen: a logged-out session is refused on the next message."""
    client.logout()
    assert authenticate(session_key) is None
    assert not is_still_valid(session_key, ada)


def test_expired_session_is_no_credential(session_key: str, ada: User) -> None:
    """Chosen: as for Django, it does not exist."""
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert authenticate(session_key) is None
    assert not is_still_valid(session_key, ada)


def test_inactive_user_is_refused(session_key: str, ada: User) -> None:
    """Chosen: a login that no longer holds is worth a line in the log."""
    User.objects.update(is_active=False)
    with pytest.raises(AuthenticationFailed, match="inactive or gone"):
        authenticate(session_key)
    assert not is_still_valid(session_key, ada)


def test_inactive_user_is_refused_whatever_the_backend_says(
    client: Client, settings: Settings
) -> None:
    """Chosen: stricter than Django, where this backend lets inactive users in."""
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL]
    user = User.objects.create_user("ada", is_active=False)
    client.force_login(user, backend=ALLOW_ALL)
    with pytest.raises(AuthenticationFailed, match="inactive or gone"):
        authenticate(client.cookies["sessionid"].value)


def test_deleted_user_is_refused(session_key: str, ada: User) -> None:
    """Chosen: as for an inactive one."""
    pk = ada.pk
    ada.delete()
    with pytest.raises(AuthenticationFailed, match="inactive or gone"):
        authenticate(session_key)
    assert not is_still_valid(session_key, User(pk=pk))


def test_changed_password_ends_it(session_key: str, ada: User) -> None:
    """Chosen: as `django.contrib.auth.get_user` does."""
    ada.set_password("byron")
    ada.save()
    with pytest.raises(AuthenticationFailed, match="change of their password"):
        authenticate(session_key)
    assert not is_still_valid(session_key, ada)


def test_rotated_secret_key_is_accepted_while_it_is_a_fallback(
    session_key: str, ada: User, settings: Settings
) -> None:
    """Chosen: as `django.contrib.auth.get_user` does, but nothing is signed anew."""
    before = Session.objects.get()
    old_key = settings.SECRET_KEY
    settings.SECRET_KEY = "a new one"
    settings.SECRET_KEY_FALLBACKS = [old_key]
    identity = authenticate(session_key)
    assert identity is not None
    assert identity.user == ada
    assert is_still_valid(session_key, ada)
    after = Session.objects.get()
    assert (after.session_key, after.session_data) == (session_key, before.session_data)

    settings.SECRET_KEY_FALLBACKS = []
    assert authenticate(session_key) is None


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (BACKEND_SESSION_KEY, ALLOW_ALL, "not in settings.AUTHENTICATION_BACKENDS"),
        (BACKEND_SESSION_KEY, "", "not in settings.AUTHENTICATION_BACKENDS"),
        (SESSION_KEY, "no number", "no primary key of the user model"),
        (HASH_SESSION_KEY, "", "change of their password"),
        (HASH_SESSION_KEY, "another", "change of their password"),
    ],
)
def test_session_whose_login_does_not_fit_the_site_is_refused(
    session_key: str, key: str, value: str, reason: str
) -> None:
    """Chosen: as `django.contrib.auth.get_user` does, without its exceptions."""
    session = open_session(session_key)
    session[key] = value
    session.save()
    with pytest.raises(AuthenticationFailed, match=reason):
        authenticate(session_key)


def test_session_that_another_user_took_over_is_no_longer_valid(
    client: Client, session_key: str, ada: User
) -> None:
    """Chosen: an open stream belongs to the user who opened it."""
    grace = User.objects.create_user("grace")
    session = open_session(session_key)
    session[SESSION_KEY] = str(grace.pk)
    session[HASH_SESSION_KEY] = grace.get_session_auth_hash()
    session.save()
    assert is_still_valid(session_key, grace)
    assert not is_still_valid(session_key, ada)


def test_nothing_is_written(
    session_key: str,
    ada: User,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Chosen: two reads, and no sessions made or prolonged."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    before = list(Session.objects.values())
    with django_assert_num_queries(2) as queries:
        assert authenticate(session_key) is not None
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert authenticate("unknownunknownunknownunknownunkn") is None
    assert list(Session.objects.values()) == before


@pytest.mark.parametrize(
    "engine", ["cache", "cached_db", "db", "file", "signed_cookies"]
)
def test_every_session_engine_of_django_works(
    engine: str, client: Client, ada: User, settings: Settings, tmp_path: Path
) -> None:
    """Chosen: the engine is the project's choice."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    client.force_login(ada)
    session_key = client.cookies["sessionid"].value
    identity = authenticate(session_key)
    assert identity is not None
    assert identity.user == ada
    assert is_still_valid(session_key, ada)
    assert authenticate(session_key[:-1] + "\x7f") is None

    client.logout()
    # Django keeps no list of signed cookies, so that nobody can strike them off.
    assert is_still_valid(session_key, ada) is (engine == "signed_cookies")


def test_cookie_name_of_the_project_is_read(ada: User, settings: Settings) -> None:
    """Chosen: it is the project's choice."""
    settings.SESSION_COOKIE_NAME = "shop_session"
    client = Client()
    client.force_login(ada)
    session_key = client.cookies["shop_session"].value
    assert authenticate(session_key) is not None
    request = RequestFactory().post("/mcp")
    request.COOKIES["sessionid"] = session_key
    assert SessionAuthenticator().authenticate(request) is None


class GuestBackend(BaseBackend):
    """A backend of the simplest kind: its users have no password and no hash."""

    def get_user(self, user_id: Any) -> Any:
        return SimpleNamespace(pk=user_id)


def test_user_that_is_not_built_on_djangos_has_no_hash_to_check(
    session_key: str, ada: User, settings: Settings
) -> None:
    """Chosen: as `django.contrib.auth.get_user` does."""
    path = f"{GuestBackend.__module__}.{GuestBackend.__qualname__}"
    settings.AUTHENTICATION_BACKENDS = [path]
    session = open_session(session_key)
    session[BACKEND_SESSION_KEY] = path
    session[HASH_SESSION_KEY] = ""
    session.save()
    identity = authenticate(session_key)
    assert identity is not None
    assert identity.user == SimpleNamespace(pk=ada.pk)


@pytest.fixture
def member_site(transactional_db: None) -> Iterator[None]:
    """A site whose users are `members.Member`."""
    apps = [*django_settings.INSTALLED_APPS, "tests.auth.members"]
    with override_settings(INSTALLED_APPS=apps, AUTH_USER_MODEL="members.Member"):
        from tests.auth.members.models import Member

        with connection.schema_editor() as editor:
            editor.create_model(Member)
        yield
        with connection.schema_editor() as editor:
            editor.delete_model(Member)


@pytest.mark.django_db(transaction=True)
def test_custom_user_model_works(member_site: None) -> None:
    """Chosen: with a UUID as primary key and without `is_active` in the database."""
    from tests.auth.members.models import Member

    member = Member.objects.create(email="ada@example.com")
    client = Client()
    # The plugin knows the user model of the settings only.
    client.force_login(member)  # type: ignore[arg-type]
    session_key = client.cookies["sessionid"].value
    authenticator = SessionAuthenticator()
    identity = authenticator.authenticate(request_with(session_key))
    assert identity == Identity(member, authenticator, session_key)
    assert identity.owner == str(member.pk)
    assert authenticator.is_still_valid(identity)

    member.delete()
    assert not authenticator.is_still_valid(identity)


def _caches(location: str) -> dict[str, dict[str, str]]:
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": location,
        }
    }


class RefusingCache(LocMemCache):
    """A cache that answers with an error, such as a cluster without its master."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse."""
        raise redis.ResponseError("MASTERDOWN Link with MASTER is down")


@pytest.mark.parametrize(
    "caches",
    [
        _caches("redis://127.0.0.1:1"),
        {"default": {"BACKEND": f"{__name__}.RefusingCache"}},
    ],
    ids=["away", "refuses"],
)
def test_session_in_a_cache_that_does_not_answer_is_no_logout(
    settings: Settings, ada: User, caches: dict[str, dict[str, str]]
) -> None:
    """We promise it: Django takes it for no session, which would end every stream."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = caches
    key = "a" * 32
    with pytest.raises(ConnectionError, match="the cache 'default'") as caught:
        authenticate(key)
    assert says_away(caught.value)
    with pytest.raises(ConnectionError):
        is_still_valid(key, ada)


class ReturningCache(LocMemCache):
    """A cache that fails once, and is back."""

    fails = False

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse the first time."""
        if type(self).fails:
            type(self).fails = False
            raise redis.ConnectionError("refused")
        return super().get(*args, **kwargs)


def test_session_in_a_cache_that_is_back_is_found(
    settings: Settings, ada: User
) -> None:
    """We promise it: also if it comes back while it is asked."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ReturningCache"}}
    client = Client()
    client.force_login(ada)
    ReturningCache.fails = True
    identity = authenticate(client.cookies["sessionid"].value)
    assert identity is not None
    assert identity.user == ada
    assert not ReturningCache.fails


def test_session_in_the_database_needs_no_cache(
    session_key: str, settings: Settings, ada: User
) -> None:
    """We promise it: a cache that only keeps what was found decides nothing."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    settings.CACHES = _caches("redis://127.0.0.1:1")
    identity = authenticate(session_key)
    assert identity is not None
    assert identity.user == ada
    assert is_still_valid(session_key, ada)
    assert authenticate("a" * 32) is None
