"""The end of a process under a server that is not Daphne: uvicorn."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.live import processes
from tests.live.daphne import APPLICATION, SETTINGS
from tests.live.raw import BOUND, RawStream, open_http, open_stream

pytestmark = pytest.mark.live

ADDRESS = re.compile(r"Uvicorn running on (http://[\d.:]+)")


@contextmanager
def running_uvicorn(
    folder: Path, *, shutdown_seconds: float
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the fixture site, and give its address and process.

    Without `--timeout-graceful-shutdown` uvicorn waits for its connections for ever.
    """
    log = folder / "uvicorn.log"

    def found() -> re.Match[str] | None:
        return ADDRESS.search(log.read_text()) if log.exists() else None

    settings = folder / "patient_settings.py"
    settings.write_text(
        f"from {SETTINGS} import *\n"
        f"MCP = {{**MCP, 'SHUTDOWN_SECONDS': {shutdown_seconds}}}\n"
        "from mcp_django.worker.shutdown import call_at_end\n"
        "call_at_end(lambda: print('these are the last words', flush=True))\n"
        # So that Twisted's event loop is there, which does not run.
        "INSTALLED_APPS = ['daphne', *INSTALLED_APPS]\n"
    )
    with processes.running(
        [sys.executable, "-m", "uvicorn", APPLICATION, "--port", "0"],
        log=log,
        extra={
            "CONFORMANCE_DATABASE": ":memory:",
            "DJANGO_SETTINGS_MODULE": settings.stem,
            "PYTHONPATH": str(folder),
        },
        is_ready=lambda: found() is not None,
    ) as process:
        address = found()
        assert address is not None
        yield address[1], process


async def read_to_end(stream: RawStream) -> None:
    """Read what comes until the stream ends as HTTP wants it."""
    with pytest.raises(StopAsyncIteration):
        while True:
            await stream.receive()


async def test_call_is_answered_and_streams_end_before_uvicorn_does(
    tmp_path: Path,
) -> None:
    """Chosen: uvicorn alone would wait for idle streams for ever."""
    with running_uvicorn(tmp_path, shutdown_seconds=BOUND) as (url, process):
        async with (
            open_http() as http,
            open_stream(http, url) as idle,
            open_stream(http, url) as busy,
        ):
            await busy.initialize()
            await busy.call(7, "slow_echo", text="later", delay=1.0)
            await busy.call(8, "echo", text="now")
            await busy.receive_answer(8)  # so 7 has begun
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(BOUND):
                await read_to_end(idle)
                answer = await busy.receive_answer(7)
                await read_to_end(busy)
        status = await anyio.to_thread.run_sync(process.wait, BOUND)

    assert answer["content"] == [{"type": "text", "text": "later"}]
    # uvicorn sends itself the signal again when it has ended.
    assert status in {0, -signal.SIGTERM}
    log = (tmp_path / "uvicorn.log").read_text()
    assert "Traceback" not in log
    assert log.count("these are the last words") == 1


async def test_call_that_takes_too_long_is_broken_off(tmp_path: Path) -> None:
    """Chosen: it has `SHUTDOWN_SECONDS`, whatever serves."""
    with running_uvicorn(tmp_path, shutdown_seconds=0.2) as (url, process):
        async with open_http() as http, open_stream(http, url) as stream:
            await stream.initialize()
            await stream.call(7, "slow_echo", text="never", delay=3600.0)
            await stream.call(8, "echo", text="now")
            await stream.receive_answer(8)
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(BOUND):
                await read_to_end(stream)
        await anyio.to_thread.run_sync(process.wait, BOUND)

    assert "tools/call 'slow_echo'" in (tmp_path / "uvicorn.log").read_text()
