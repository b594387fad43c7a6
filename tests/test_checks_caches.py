"""System checks of the caches, each where it speaks and where it is silent."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings
from pytest_django import Settings

from mcp_django.checks.caches import check_caches, check_kept_caches

BACKENDS = "django.core.cache.backends"
LOCMEM = f"{BACKENDS}.locmem.LocMemCache"
REDIS = f"{BACKENDS}.redis.RedisCache"


class OwnLocMemCache(LocMemCache):
    """A cache of some project."""


class OwnDatabaseCache(DatabaseCache):
    """Another one."""


def configure(settings: Settings, **backends: str) -> None:
    """Configure caches by alias."""
    settings.CACHES = {
        alias: {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:6379/0"}
        for alias, backend in backends.items()
    }


def test_default_of_django_is_not_talked_about_before_deployment() -> None:
    """Chosen: it is right for one process."""
    assert check_caches() == []
    assert [message.id for message in check_kept_caches()] == ["mcp_django.W051"]


@pytest.mark.parametrize("key", ["CACHE", "EVENT_STORE_CACHE"])
def test_cache_that_there_is_not_is_an_error(settings: Settings, key: str) -> None:
    """Chosen: else every request of a session fails."""
    configure(settings, default=REDIS, other=REDIS)
    settings.MCP = {key: "lost"}

    assert check_caches() == [
        checks.Error(
            f"CACHES has no 'lost', which MCP[{key!r}] names.",
            hint="Configure it, or name one of default, other.",
            id="mcp_django.E050",
        )
    ]
    assert check_kept_caches() == []


def test_caches_that_all_processes_share_are_not_talked_about(
    settings: Settings,
) -> None:
    """Chosen: what is right is not."""
    configure(settings, default=REDIS, events=f"{BACKENDS}.memcached.PyMemcacheCache")
    settings.MCP = {"EVENT_STORE_CACHE": "events"}

    assert check_caches() == []
    assert check_kept_caches() == []


@pytest.mark.parametrize(
    "backend",
    [LOCMEM, f"{BACKENDS}.dummy.DummyCache", f"{__name__}.OwnLocMemCache"],
)
def test_cache_of_one_process_is_a_warning(settings: Settings, backend: str) -> None:
    """Chosen: a client's requests go to any process."""
    configure(settings, default=backend)

    assert check_kept_caches() == [
        checks.Warning(
            "CACHES['default'] (MCP['CACHE']) is not seen by other processes: they do "
            "not know what clients set for their sessions.",
            hint="Use Redis or Memcached, in a cache of its own if need be, or silence "
            "this check if there is one process.",
            id="mcp_django.W051",
        )
    ]


@pytest.mark.parametrize(
    "backend",
    [
        f"{BACKENDS}.db.DatabaseCache",
        f"{BACKENDS}.filebased.FileBasedCache",
        f"{__name__}.OwnDatabaseCache",
    ],
)
def test_cache_that_culls_is_a_warning(settings: Settings, backend: str) -> None:
    """Chosen: by default it keeps 300 entries, whoever they are of."""
    configure(settings, default=backend)

    assert check_kept_caches() == [
        checks.Warning(
            "CACHES['default'] (MCP['CACHE']) throws away what is still good when it "
            "has more than MAX_ENTRIES: sessions that were ended are open again, and "
            "subscriptions are forgotten.",
            hint="Use Redis or Memcached, in a cache of its own if need be, or silence "
            "this check if MAX_ENTRIES is large enough.",
            id="mcp_django.W052",
        )
    ]


def test_cache_with_two_uses_is_talked_about_once(settings: Settings) -> None:
    """Chosen: there is one thing to mend."""
    configure(settings, default=REDIS, local=LOCMEM)
    settings.MCP = {"CACHE": "local", "EVENT_STORE_CACHE": "local"}

    [message] = check_kept_caches()

    assert message.msg.startswith(
        "CACHES['local'] (MCP['CACHE'] and MCP['EVENT_STORE_CACHE']) is not seen "
    )


def test_caches_of_a_site_without_endpoints_are_not_talked_about(
    settings: Settings,
) -> None:
    """Chosen: over stdio alone, nothing is kept in a cache."""
    configure(settings, default=LOCMEM)
    settings.ROOT_URLCONF = "django.contrib.auth.urls"

    assert check_kept_caches() == []


@pytest.mark.parametrize(
    ("caches", "given"),
    [
        ({}, {}),
        ({"default": None}, {}),
        ({"default": {}}, {}),
        ({"default": {"BACKEND": 7}}, {}),
        ({"default": {"BACKEND": "nowhere.Cache"}}, {}),
        ({"default": {"BACKEND": f"{__name__}.configure"}}, {}),
        ({"default": {"BACKEND": REDIS}}, 7),
        ({"default": {"BACKEND": REDIS}}, {"CACHE": 7, "EVENT_STORE_CACHE": []}),
    ],
)
def test_neither_check_ever_raises(caches: Any, given: Any) -> None:
    """Chosen: a check that fails hides what the others say."""
    with override_settings(CACHES=caches, MCP=given):
        for message in [*check_caches(), *check_kept_caches()]:
            assert str(message)
