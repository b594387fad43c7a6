"""Django's own login sessions, for requests that passed no middleware."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends import cache, cached_db, db
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.exceptions import AuthenticationFailed


class SessionAuthenticator(Authenticator):
    """Vouches for the user who is logged in to the site in the same browser.

    Decides as `django.contrib.auth.get_user` does, with two differences: an inactive
    user is refused whatever the backend says, and nothing is written. So a session is
    neither created nor prolonged (also under `SESSION_SAVE_EVERY_REQUEST`), and one
    signed with a key of `SECRET_KEY_FALLBACKS` is accepted but not signed anew.

    A logout is noticed with every session engine that keeps sessions on the server.
    Django's "signed_cookies" does not: there a cookie stays good until it expires or
    the user's password changes.
    """

    uses_cookies = True

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find out whose login session a request's cookie names.

        Returns:
            The identity, with the session key as its credential; None if there is no
            cookie or its session is unknown, expired or without a login: such a
            cookie is what every anonymous visitor's browser sends.

        Raises:
            AuthenticationFailed: The session has a login that no longer holds.
        """
        session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        user = _find_user(session_key)
        if user is None:
            return None
        return Identity(user, self, session_key, label="login session")

    def is_still_valid(self, identity: Identity) -> bool:
        """Say whether the session still exists and its login still holds."""
        try:
            user = _find_user(str(identity.credential))
        except AuthenticationFailed:
            return False
        return user is not None and user.pk == identity.user.pk


def _find_user(session_key: str) -> AbstractBaseUser | None:
    """Return the active user logged in to a session, None if there is none.

    Raises:
        AuthenticationFailed: The login in the session does not hold.
    """
    # Quoted cookies may carry any octet; some databases raise for a NUL.
    if not session_key or not session_key.isprintable():
        return None
    session = _load(session_key)
    if SESSION_KEY not in session:
        return None

    backend_path = session.get(BACKEND_SESSION_KEY, "")
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        raise _failed(
            f"login session was made by backend {backend_path!r}, "
            "which is not in settings.AUTHENTICATION_BACKENDS"
        )
    try:
        pk = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    except ValidationError as error:
        raise _failed(
            f"login session names {session[SESSION_KEY]!r}, "
            "which is no primary key of the user model"
        ) from error
    user: AbstractBaseUser | None = load_backend(backend_path).get_user(pk)
    # ModelBackend finds no inactive users; other backends may.
    if user is None or not getattr(user, "is_active", True):
        raise _failed(f"login session names user {pk!r}, who is inactive or gone")
    if not _is_signed_for(user, session.get(HASH_SESSION_KEY)):
        raise _failed(
            f"login session of user {pk!r} was made before a change of "
            "their password or of settings.SECRET_KEY"
        )
    return user


def _load(session_key: str) -> Mapping[str, Any]:
    """Give what is in a session; nothing if there is none.

    Django's engines take a cache that fails for one that has no such session. Here that
    would log out every user whose streams are open.

    Raises:
        ConnectionError: The cache that has it does not answer, or refuses to.
        Exception: The session cannot be read.
    """
    engine = import_module(settings.SESSION_ENGINE)
    store: SessionBase = engine.SessionStore(session_key)
    try:
        found: Mapping[str, Any] = store.load()
    except Exception:
        if not isinstance(store, cached_db.SessionStore):
            raise
        # It keeps what it found in the database in the cache, which need not work.
        return db.SessionStore.load(store)
    if not found and isinstance(store, cache.SessionStore):
        alias = settings.SESSION_CACHE_ALIAS
        try:
            # It may have come back meanwhile, and has the session after all.
            return caches[alias].get(store.cache_key_prefix + session_key) or {}
        except Exception as error:
            # Whatever its library calls that.
            raise ConnectionError(
                f"cannot read login sessions from the cache {alias!r}: {error!r}"
            ) from error
    return found


def _is_signed_for(user: AbstractBaseUser, session_hash: str | None) -> bool:
    """Say whether the hash in a session fits the user's password and a secret key."""
    if not hasattr(user, "get_session_auth_hash"):
        # A user model that is not built on AbstractBaseUser has no such hash.
        return True
    if not session_hash:
        return False
    return any(
        constant_time_compare(session_hash, valid) for valid in _session_hashes(user)
    )


def _session_hashes(user: AbstractBaseUser) -> Iterator[str]:
    """Yield the session hash under SECRET_KEY, then under SECRET_KEY_FALLBACKS."""
    yield user.get_session_auth_hash()
    yield from user.get_session_auth_fallback_hash()


def _failed(reason: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        reason, description="the login has ended; log in to the site again"
    )
