"""Which exceptions say that a service is away."""

from __future__ import annotations

import psycopg
import pytest
import redis
from django.db import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from psycopg.errors import InFailedSqlTransaction, ReadOnlySqlTransaction

from mcp_django.bulkheads.faults import says_away
from mcp_django.exceptions import (
    AuthenticationFailed,
    ConnectFailed,
    RequestTimeout,
    ServiceAway,
)


def _raised_for(error: Exception, cause: Exception, *, says_so: bool) -> Exception:
    try:
        try:
            raise cause
        except Exception as caught:
            raise error from (caught if says_so else None)
    except Exception as raised:
        return raised


def _raised_after(error: Exception, before: Exception) -> Exception:
    try:
        try:
            raise before
        except Exception:
            raise error  # noqa: B904
    except Exception as raised:
        return raised


class PoolTimeout(psycopg.OperationalError):
    """What a driver raises, or a pool of its connections, where Django is not asked."""


class LibraryFailed(Exception):
    """What a client library has of its own."""


def _redis_refuses() -> Exception:
    try:
        redis.Redis(port=1).get("key")
    except Exception as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("server closed the connection unexpectedly"),
        OperationalError("database is locked"),
        InterfaceError("connection already closed"),
        _raised_for(InternalError(), ReadOnlySqlTransaction(), says_so=True),
        ConnectionRefusedError(),
        TimeoutError(),
        RequestTimeout(),
        ConnectFailed("refused"),
        _redis_refuses(),
        redis.AuthenticationError("NOAUTH Authentication required."),
        redis.BusyLoadingError("LOADING Redis is loading the dataset in memory"),
        PoolTimeout("couldn't get a connection"),
        _raised_for(LibraryFailed(), ConnectionResetError(), says_so=True),
        _raised_for(RuntimeError(), OperationalError("away"), says_so=True),
        _raised_after(LibraryFailed(), TimeoutError()),
    ],
    ids=repr,
)
def test_service_that_is_away(error: Exception) -> None:
    """Chosen: a database, or what cannot be reached, whatever a library calls it."""
    assert says_away(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("wrong"),
        redis.ResponseError("WRONGTYPE Operation against a key"),
        IntegrityError("duplicate key"),
        _raised_for(InternalError(), InFailedSqlTransaction(), says_so=True),
        OperationalError("no such table: auth_user"),
        ProgrammingError('relation "auth_user" does not exist'),
        AuthenticationFailed("no"),
        ServiceAway("the site's cache", 5),
        _raised_after(KeyError("wrong"), TimeoutError()),
        _raised_after(AuthenticationFailed("no"), ConnectionRefusedError()),
        _raised_for(LibraryFailed(), TimeoutError(), says_so=False),
    ],
    ids=repr,
)
def test_answer_or_mistake(error: Exception) -> None:
    """Chosen: what is missing is no outage, and mistakes are no others' fault."""
    assert not says_away(error)
