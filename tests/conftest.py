"""What all tests share: async tests are run by anyio, on asyncio."""

from __future__ import annotations

import functools
import gc
import inspect
import signal
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from channels.layers import channel_layers
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django.bulkheads.fault_lines import fault_lines
from mcp_django.worker.thread_loop import end_thread_loop
from tests.catalogs import GERMAN, write_catalog


def pytest_configure() -> None:
    """Look for garbage less often, heed SIGINT, and give generated examples time.

    The tests themselves are some hundred thousand objects that stay; to look through
    them as often as Python does would be a third of the time of all tests.
    """
    gc.set_threshold(50_000, 20, 100)
    # A shell that starts the tests in the background has them ignore it, and with them
    # each process that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long an example takes says more of the machine's load than of our code.
    hypothesis.settings.register_profile("unhurried", deadline=None)
    hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> None:
    """Let no collection of garbage look through what stayed of all before.

    That is a second and more for each test that looks for leaks.
    """
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each test a context of its own, as async ones have anyway.

    A URLconf that a test brings leaves variables in it for ever, and a thousand of them
    make each task slower that begins later.
    """
    if isinstance(item, pytest.Function) and not inspect.iscoroutinefunction(item.obj):
        function = item.obj

        @functools.wraps(function)
        def in_own_context(*arguments: Any, **named: Any) -> None:
            copy_context().run(function, *arguments, **named)

        item.obj = in_own_context


@pytest.fixture(autouse=True)
def own_workers() -> Iterator[None]:
    """Give each test another channel layer, and let no worker outlive it.

    Mailboxes of earlier tests are emptied by no worker any more: telling them all takes
    longer with each test.
    """
    channel_layers.backends.clear()
    yield
    end_thread_loop()


@pytest.fixture(autouse=True)
def own_fault_lines() -> Iterator[None]:
    """Let no test hear of faults of another, nor miss a line that another had."""
    yield
    fault_lines.say_rest()


@pytest.fixture
def anyio_backend() -> str:
    """Name the event loop of async tests; those of portable layers have two."""
    return "asyncio"


@pytest.fixture
def german(settings: Settings, tmp_path: Path) -> None:
    """Let Django find the German texts of `tests.catalogs`."""
    write_catalog(tmp_path, "de", GERMAN)
    settings.LOCALE_PATHS = [tmp_path]


@pytest.fixture
def ada(transactional_db: Any) -> User:
    """Give a user; other threads see her, too."""
    user: User = get_user_model().objects.create_user("ada")
    return user


@pytest.fixture
def bob(transactional_db: Any) -> User:
    """Give another user."""
    user: User = get_user_model().objects.create_user("bob")
    return user
