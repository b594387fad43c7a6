"""Traces in files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_django.tracing import TraceFile


def test_each_message_is_a_line_in_a_file_of_the_owner(tmp_path: Path) -> None:
    """We promise it; what is in the file already stays."""
    path = tmp_path / "trace.jsonl"
    for direction in ("received", "sent"):
        file = TraceFile(str(path))
        file.write(direction, b'{"id": 1}')
        file.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["direction"], line["bytes"]) for line in lines] == [
        ("received", 9),
        ("sent", 9),
    ]
    assert lines[0]["message"] == {"id": 1}
    assert path.stat().st_mode & 0o777 == 0o600


def test_pipe_is_refused(tmp_path: Path) -> None:
    """We chose it: one that is not read would hold the server up."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):
        TraceFile(str(tmp_path / "pipe"))
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="no regular file"):
            TraceFile(str(tmp_path / "pipe"))
    finally:
        os.close(reader)


# No file may grow any more, as on a full disk.
FULL_DISK = """
import logging, resource, signal, sys
from mcp_django.tracing import TraceFile
logging.basicConfig()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = TraceFile(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
for _ in range(3):
    file.write("received", b"{}")
print("goes on")
"""


def test_full_disk_ends_the_trace_and_nothing_else(tmp_path: Path) -> None:
    """We promise it: the log says so once."""
    path = str(tmp_path / "trace")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True
    )
    assert done.stdout == "goes on\n"
    assert done.stderr.count("the trace ends, because") == 1
    assert done.stderr.count("File too large") == 1
