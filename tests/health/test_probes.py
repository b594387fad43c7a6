"""What load balancers ask, on both ways in, and what they hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync
from django.test import AsyncClient, Client
from pytest_django import Settings

from mcp_django.asgi import get_asgi_application
from mcp_django.checks.health import check_health
from mcp_django.worker.worker import current_worker, workers_of_process
from tests.consumers.connections import Response, request
from tests.patience import SOON_SECONDS
from tests.worker.caches import BROKEN, HangingCache

READY = {"status": "ready", "channel_layer": "ok", "cache": "ok"}
BY_ADDRESS = {"host": "10.0.0.7:8001"}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    """Have probes on a site behind TLS, with all that stands before a view."""
    settings.ROOT_URLCONF = "tests.health.urls"
    settings.ALLOWED_HOSTS = ["site.example"]
    settings.SECURE_SSL_REDIRECT = True
    settings.MIDDLEWARE = [
        "mcp_django.health.HealthMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]


async def ask(path: str, method: str = "GET") -> Response:
    """Ask on all ways in, which have to say the same."""
    answer = await request(
        get_asgi_application(), method, f"/mcp/health/{path}", headers=BY_ADDRESS
    )
    named: dict[str, Any] = {"headers": BY_ADDRESS}
    url = f"/mcp/health/{path}"
    others: list[Any] = [
        await run_sync(lambda: Client().generic(method, url, **named)),
        await AsyncClient().generic(method, url, **named),
    ]
    for other in others:
        assert (other.status_code, other.content) == (answer.status, answer.body)
        for name in ("content-type", "cache-control", "allow"):
            assert other.headers.get(name) == answer.header(name)
    return answer


@pytest.mark.parametrize("path", ["live", "live/"])
async def test_process_that_answers_lives(path: str) -> None:
    """We promise it: by any Host, without credentials, without HTTPS."""
    answer = await ask(path)
    assert (answer.status, answer.json()) == (200, {"status": "alive"})
    assert answer.header("cache-control") == "no-store"
    assert answer.header("content-type") == "application/json"


async def test_process_whose_services_answer_is_ready() -> None:
    """We promise it."""
    answer = await ask("ready")
    assert (answer.status, answer.json()) == (200, READY)


async def test_process_that_is_asked_is_seen_by_operators() -> None:
    """Chosen: also one that has served no MCP request yet."""
    assert asyncio.get_running_loop() not in {w.loop for w in workers_of_process()}
    await request(get_asgi_application(), "GET", "/mcp/health/ready")
    assert [w.loop for w in workers_of_process()] == [asyncio.get_running_loop()]


async def test_event_store_is_asked_where_there_is_one(settings: Settings) -> None:
    """Chosen: clients that come back for what they missed need it."""
    memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {"default": memory, "events": memory}
    settings.MCP = {"EVENT_STORE_CACHE": "events"}
    answer = await ask("ready")
    assert answer.json() == {**READY, "event_store": "ok"}


async def test_head_says_the_same_without_words() -> None:
    """Spec: RFC 9110, section 9.3.2."""
    answer = await request(
        get_asgi_application(), "HEAD", "/mcp/health/ready", headers=BY_ADDRESS
    )
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("content-length") == str(len(json.dumps(READY)))


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
async def test_other_methods_are_refused(method: str) -> None:
    """Spec: RFC 9110, section 15.5.6."""
    answer = await ask("ready", method)
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")
    assert "GET and HEAD" in answer.json()["status"]


async def test_process_that_ends_is_not_ready() -> None:
    """We promise it: before it takes no requests any more."""
    current_worker().connections.is_ending = True
    answer = await ask("ready")
    assert (answer.status, answer.json()) == (503, {"status": "draining"})
    assert (await ask("live")).status == 200


async def test_process_without_its_cache_is_not_ready(settings: Settings) -> None:
    """We promise it; what the cache raised is for the log alone."""
    settings.CACHES = {"default": {"BACKEND": BROKEN}}
    answer = await ask("ready")
    expected = {"status": "not ready", "channel_layer": "ok", "cache": "no answer"}
    assert (answer.status, answer.json()) == (503, expected)


@pytest.fixture
def hanging(settings: Settings) -> Iterator[None]:
    """Let the cache hang, for longer than a probe waits."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.HangingCache"}}
    settings.MCP = {"CACHE_TIMEOUT": 600}
    HangingCache.begin()
    yield
    HangingCache.works.set()


@pytest.mark.usefixtures("hanging")
async def test_cache_that_hangs_holds_up_no_probe() -> None:
    """We promise it: within a second, however long the site would wait."""
    with anyio.fail_after(SOON_SECONDS):
        answer = await request(get_asgi_application(), "GET", "/mcp/health/ready")
        assert (answer.status, answer.json()["cache"]) == (503, "no answer")
        assert (await ask("live")).status == 200


@pytest.mark.usefixtures("hanging")
async def test_many_probes_ask_once() -> None:
    """Chosen: any stranger may ask, and all of them must not cost more than one."""
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(
                request, get_asgi_application(), "GET", "/mcp/health/ready"
            )
    assert HangingCache.asked.count("mcp_django.health") == 1


async def test_channel_layer_that_fails_is_named(settings: Settings) -> None:
    """We promise it."""
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "tests.worker.layers.AwayLayer"},
    }
    answer = await ask("ready")
    assert answer.status == 503
    assert answer.json()["channel_layer"] == "no answer"


async def test_site_without_a_channel_layer_needs_none(settings: Settings) -> None:
    """Chosen: one process alone needs none."""
    settings.CHANNEL_LAYERS = {}
    assert (await ask("ready")).json() == {"status": "ready", "cache": "ok"}


def test_probes_behind_middleware_are_found(settings: Settings) -> None:
    """We promise it: the load balancer would be redirected, or refused."""
    settings.ASGI_APPLICATION = None
    assert check_health() == []
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    (message,) = check_health()
    assert message.id == "mcp_django.W165"
    assert "SecurityMiddleware" in (message.hint or "")
    settings.ASGI_APPLICATION = "tests.conformance.asgi.application"
    assert check_health() == []
