"""Clients of the fixture's server, connected in memory."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp import Client as ModernClient

from tests.conformance.mcp import server
from tests.interaction.bindings import NOBODY, connect_memory
from tests.interaction.client import NO_ANSWERS, Answers, Client, open_client


def connect(answers: Answers = NO_ANSWERS) -> AbstractAsyncContextManager[Client]:
    """Open a session with the fixture's server."""
    return open_client(connect_memory(server, NOBODY), answers=answers)


def connect_modern(**options: Any) -> ModernClient:
    """Connect in the modern era, where there are no sessions."""
    streams: Any = connect_memory(server, NOBODY)
    return ModernClient(streams, mode="2026-07-28", **options)
