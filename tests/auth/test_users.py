"""Users, read anew."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from mcp_django.auth.users import read_again
from mcp_django.bulkheads.threads import ThreadPool
from tests.patience import PATIENCE_SECONDS


class Member:
    """A user of a project that keeps none in a table."""

    pk = "ada"


@pytest.mark.parametrize("user", [AnonymousUser(), Member()])
async def test_user_in_no_table_waits_for_no_thread(user: Any, settings: Any) -> None:
    """Our choice: each relayed message reads its user, and there is nothing to read."""
    settings.MCP = {"AUTHENTICATION_WORKERS": 1}
    threads = ThreadPool("test", "AUTHENTICATION_WORKERS", purpose="tests")
    may_end = threading.Event()
    busy = asyncio.create_task(threads.run(lambda: may_end.wait(PATIENCE_SECONDS)))
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            assert await read_again(user, threads) is user
    finally:
        may_end.set()
        assert await busy
