"""`make cluster`: several Daphnes on one socket."""

import re
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from tests.live import processes
from tests.live.redis import free_port

pytestmark = pytest.mark.live


def test_cluster_answers_at_one_port_and_ends_when_asked(tmp_path: Path) -> None:
    """We promise it: for trying out what several processes do."""
    log, port = tmp_path / "cluster.log", free_port()
    command = [sys.executable, "-m", "tests.live.cluster"]
    url = f"http://127.0.0.1:{port}/mcp"

    def answers() -> bool:
        try:
            return httpx2.post(url, timeout=1).status_code == 401
        except httpx2.TransportError:
            return False

    with processes.running(
        [*command, "--workers", "2", "--port", str(port)],
        log=log,
        extra={"DEMO_DATABASE": str(tmp_path / "demo.sqlite3")},
        is_ready=answers,
    ) as cluster:
        found = re.search(r"2 Daphnes \(processes (\d+), (\d+)\)", log.read_text())
        assert found is not None
        cluster.send_signal(signal.SIGTERM)
        assert cluster.wait(10) == 0
    for pid in found.groups():
        assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in log.read_text()
