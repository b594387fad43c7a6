"""Telling the clients of this process that features were switched off or on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from mcp_django.server.notices import Notice, Topic
from mcp_django.server.server import Server
from mcp_django.server.switched_off import Kind, SwitchedFeature, switched_off
from mcp_django.worker.listeners import Listeners
from mcp_django.worker.worker import workers_of_process

_TOPICS: Final[Mapping[Kind, Topic]] = {
    "tool": "tools",
    "resource": "resources",
    "prompt": "prompts",
}


def tell_clients(changed: Collection[SwitchedFeature]) -> None:
    """Tell clients that lists changed; can be called in any thread.

    Those of other processes are told there, by what reads the table there.
    """
    for worker in workers_of_process():
        with suppress(RuntimeError):  # its event loop has ended meanwhile
            worker.call_soon(_tell, worker.listeners, changed)


def _tell(listeners: Listeners, changed: Collection[SwitchedFeature]) -> None:
    missed = False
    for server in {listener.server for listener in listeners}:
        found = [each for each in changed if _concerns(each, server)]
        for topic in dict.fromkeys(_TOPICS[each.kind] for each in found):
            listeners.notify(server.name, Notice(topic))
        for each in found:
            if each.kind != "resource" or each in switched_off.features:
                continue
            # While it was off, who subscribed was not told of its changes.
            if server.resources[each.name].template is None:
                listeners.notify(server.name, Notice("resource", each.name))
            else:
                missed = True
    if missed:
        listeners.tell_everything()


def _concerns(each: SwitchedFeature, server: Server) -> bool:
    features: Mapping[Kind, Collection[str]] = {
        "tool": server.tools,
        "resource": server.resources,
        "prompt": server.prompts,
    }
    return each.server in ("", server.name) and each.name in features[each.kind]
