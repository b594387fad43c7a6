"""Traces of the worker of a test, in files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp_django.tracing import astop, atrace, stop, trace
from mcp_django.transports.tap import tap
from mcp_django.worker.worker import current_worker

SECRET = "hunter2-4711"


class Lines:
    """What traces in files of a folder say.

    Attributes:
        text: All of it.
        entries: What passed, without remarks on the trace itself.
        remarks: What is said of the traces themselves.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("mcp-trace-*.jsonl"))
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
        self.text = "".join(file.read_text() for file in files)
        lines = [json.loads(line) for line in self.text.splitlines()]
        self.entries = [line for line in lines if "binding" in line]
        self.remarks = [line for line in lines if "trace" in line]

    def said(self, *names: str) -> list[tuple[Any, ...]]:
        """Give some members of each entry, and its method or id."""
        return [
            (*(entry.get(name) for name in names), _shown(entry))
            for entry in self.entries
        ]


def _shown(entry: dict[str, Any]) -> Any:
    message = entry.get("message")
    if isinstance(message, dict):
        return message.get("method", message.get("id"))
    return message


@asynccontextmanager
async def traced(folder: Path, **whose: Any) -> AsyncIterator[None]:
    """Write down what is said in a block, in this event loop's worker."""
    current_worker()
    begun = await atrace(**(whose or {"everything": True}), to_file=True)
    [worker] = begun.answers.workers
    assert worker["traces"][0]["problem"] == ""
    assert Path(worker["traces"][0]["file"]).parent == folder
    yield
    await astop(begun.trace.id)
    assert tap.watches == ()


@contextmanager
def traced_in_threads(**whose: Any) -> Iterator[None]:
    """Do the same for code that is not async."""
    begun = trace(**(whose or {"everything": True}), to_file=True)
    assert [w["traces"][0]["problem"] for w in begun.answers.workers] == [""]
    yield
    stop(begun.trace.id)
