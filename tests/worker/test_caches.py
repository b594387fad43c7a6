"""The site's caches, within bounds."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.worker.caches import cache_of
from tests.patience import PATIENCE_SECONDS, SOON_SECONDS
from tests.worker.caches import BROKEN, BrokenCache, HangingCache

HANGING = {"default": {"BACKEND": "tests.worker.caches.HangingCache"}}


@pytest.fixture
def hanging(settings: Settings) -> Iterator[type[HangingCache]]:
    """Let the cache hang, until the end of the test."""
    settings.CACHES = HANGING
    settings.MCP = {"CACHE_TIMEOUT": 0.05, "AWAY_SECONDS": 600}
    HangingCache.begin()
    yield HangingCache
    HangingCache.works.set()


async def test_cache_is_asked_in_threads_that_keep_their_backend() -> None:
    """Django: a backend belongs to a thread, and its connections to the backend."""
    cache = cache_of("default")
    # More often than there are threads.
    found = {
        await cache.ask(lambda backend: (id(backend), threading.get_ident()))
        for _ in range(2 * mcp_settings.CACHE_WORKERS)
    }
    threads = {thread for _, thread in found}
    assert len(found) == len(threads) <= mcp_settings.CACHE_WORKERS
    assert await sync_to_async(threading.get_ident)() not in threads


async def test_cache_that_hangs_is_given_up(hanging: type[HangingCache]) -> None:
    """Our choice: MCP["CACHE_TIMEOUT"]; then it is away for MCP["AWAY_SECONDS"]."""
    cache = cache_of("default")
    for _ in range(3):
        with pytest.raises(ServiceAway, match="the site's cache does not answer"):
            await cache.ask(lambda backend: backend.get("key"))
    assert len(hanging.hanging) == 1


async def test_cache_that_hangs_leaves_the_async_orm_alone(
    hanging: type[HangingCache],
) -> None:
    """Our choice: asgiref has one thread for all."""
    with pytest.raises(ServiceAway):
        await cache_of("default").ask(lambda backend: backend.get("key"))
    async with asyncio.timeout(SOON_SECONDS):
        thread = await sync_to_async(threading.current_thread)()
    assert thread not in hanging.hanging


async def test_thread_that_hangs_for_ever_is_replaced(settings: Settings) -> None:
    """Our choice: a connection may be dead without a word while new ones work."""
    settings.MCP = {"CACHE_TIMEOUT": 0.05, "AWAY_SECONDS": 0, "CACHE_WORKERS": 1}
    never, cache = threading.Event(), cache_of("default")
    for _ in range(3):
        with pytest.raises(ServiceAway):
            await cache.ask(lambda backend: never.wait(PATIENCE_SECONDS))
    settings.MCP = {**settings.MCP, "CACHE_TIMEOUT": PATIENCE_SECONDS}
    async with asyncio.timeout(SOON_SECONDS):
        assert await cache.ask(lambda backend: backend.get("key", 1)) == 1
    never.set()


@pytest.mark.parametrize(
    "fault",
    [OSError(), LookupError(), StopIteration(), SystemExit(), GeneratorExit()],
    ids=repr,
)
async def test_whatever_a_cache_raises_is_a_refusal(
    fault: BaseException,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our choice: backends raise what their libraries do; the log names the cache."""
    settings.CACHES = {"default": {"BACKEND": BROKEN}}
    monkeypatch.setattr(BrokenCache, "fault", fault)
    for _ in range(3):
        with pytest.raises(ServiceAway):
            await cache_of("default").ask(lambda backend: backend.get("key"))
    [line] = caplog.messages
    assert line.startswith("the cache 'default' does not answer: sessions cannot be ")
