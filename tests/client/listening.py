"""Listening to changes, in the words of tests."""

from __future__ import annotations

import anyio
from anyio import wait_all_tasks_blocked
from mcp_types import ResourceUpdatedNotification

from mcp_django.client.changes import Change, Changes
from mcp_django.client.client import Client

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"
RESOURCES = "notifications/resources/list_changed"
UPDATED = "notifications/resources/updated"


async def heard(changes: Changes) -> list[str]:
    """Give what has been heard so far: methods, and URIs of resources."""
    await wait_all_tasks_blocked()
    found = []
    with anyio.move_on_after(0.01):
        async for change in changes:
            found.append(name_of(change))
    return found


def name_of(change: Change) -> str:
    if isinstance(change, ResourceUpdatedNotification):
        return change.params.uri
    return change.method


class Listener:
    """Listens to the end of a subscription, beside a test.

    Attributes:
        changes: What it listens to; None until it does.
        heard: What it heard.
    """

    def __init__(self, client: Client, *uris: str, **options: bool) -> None:
        self.changes: Changes | None = None
        self.heard: list[Change] = []
        self.may_leave = anyio.Event()
        self._client = client
        self._uris = uris
        self._options = options

    async def __call__(self) -> None:
        async with self._client.listen(*self._uris, **self._options) as changes:
            self.changes = changes
            async for change in changes:
                self.heard.append(change)
            await self.may_leave.wait()
