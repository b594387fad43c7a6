"""Passing change notices on to the sessions of this process and of all others."""

from __future__ import annotations

from typing import Any

from mcp_django.server.notices import Notice, noticed
from mcp_django.server.server import Server
from mcp_django.worker.worker import tell_other_processes, workers_of_process


def pass_on(sender: Server, notice: Notice, **kwargs: Any) -> None:
    """Receive `noticed`: tell every session of the server, wherever it lives."""
    for worker in workers_of_process():
        worker.notify(sender.name, notice)
    told = {
        "kind": "notice",
        "server": sender.name,
        "topic": notice.topic,
        "subject": notice.subject,
        "is_gone": notice.is_gone,
    }
    tell_other_processes(told, (sender.name, notice))


def connect() -> None:
    """Start passing notices on; done once, when the app is ready."""
    noticed.connect(pass_on, dispatch_uid="mcp_django.worker.notices")
