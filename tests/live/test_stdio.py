"""The stdio command, from its start to its end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from tests.live import processes
from tests.live.daphne import SETTINGS
from tests.live.raw import BOUND
from tests.live.stdio import StdioServer, running_stdio
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}

# Starts the server and says its process id before the server says anything.
LAUNCH = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:])
print(server.pid, flush=True)
server.wait()
"""


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a fixture site that was never migrated."""
    return {
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "CONFORMANCE_DATABASE": str(tmp_path / "site.sqlite3"),
    }


async def test_fixture_needs_no_migration_but_for_its_rows(
    fresh: dict[str, str],
) -> None:
    """We chose it: `add` and `echo` work at once, `count_rows` says what it needs."""
    async with running_stdio(extra=fresh) as server:
        await server.initialize()
        result = await server.call(1, "add", a=1, b=2)
        assert result["structuredContent"] == {"result": 3}
        result = await server.call(2, "count_rows")
        assert result["isError"]
        assert "manage.py migrate" in result["content"][0]["text"]
        await server.close_input()
        assert await server.wait() == 0


async def test_garbage_is_answered_and_output_stays_pure(
    fresh: dict[str, str], tmp_path: Path
) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio": nothing else on standard output.

    Chosen: what handlers print is on standard error, to the last line.
    """
    path = tmp_path / "stderr"
    with path.open("wb") as stderr:
        buffered = {**fresh, "PYTHONUNBUFFERED": ""}
        async with running_stdio(extra=buffered, stderr=stderr) as server:
            await _send_garbage(server)
            await server.close_input()
            assert await server.wait() == 0
    assert path.read_text().splitlines().count("not a message") == 4


async def _send_garbage(server: StdioServer) -> None:
    await server.initialize()
    for garbage, code in (
        (b"hello", -32700),
        (b"\xff\xfe", -32700),
        (b"7", -32600),
    ):
        await server.write(garbage)
        answer = await server.receive()
        assert (answer["id"], answer["error"]["code"]) == (None, code)
    result = await server.call(1, "shout", text="not a message")
    assert result == {"content": [{"type": "text", "text": "shouted"}]}
    assert (await server.call(2, "echo", text="still here"))["content"]


async def test_calls_that_run_at_the_end_of_the_input_are_answered(
    fresh: dict[str, str],
) -> None:
    """We promise it: every request gets its answer, if it comes soon."""
    async with running_stdio(extra=fresh) as server:
        await server.initialize()
        await server.begin_call(1, "slow_echo", text="last words", delay=0.3)
        await server.close_input()
        answer = await server.receive()
        assert answer["result"]["content"] == [{"type": "text", "text": "last words"}]
        with pytest.raises(anyio.EndOfStream):
            await server.receive()
        assert await server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_process(
    fresh: dict[str, str], number: signal.Signals
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Shutdown", "stdio"; whatever runs."""
    async with running_stdio(extra=fresh) as server:
        await server.initialize()
        await server.begin_call(1, "slow_sync", delay=60)
        await server.begin_call(2, "slow_echo", text="", delay=60)
        await server.call(3, "echo", text="")
        server.process.send_signal(number)
        with anyio.fail_after(SOON_SECONDS):
            assert await server.wait() == 0


async def test_process_ends_when_its_parent_is_gone(fresh: dict[str, str]) -> None:
    """We promise it: a client that was killed leaves nothing behind.

    The pipes stay open here, because the test holds them.
    """
    launcher = (sys.executable, "-c", LAUNCH)
    async with running_stdio(extra=fresh, launcher=launcher) as server:
        pid = await server.receive()
        assert isinstance(pid, int)
        await server.initialize()
        server.process.kill()
        with pytest.raises(anyio.EndOfStream):
            await server.receive()
        with pytest.raises(ProcessLookupError):
            await wait_until_gone(pid)


async def wait_until_gone(pid: int) -> None:
    """Look for a process that is no child of ours until it is gone.

    Raises:
        ProcessLookupError: It is gone.
    """
    with anyio.fail_after(BOUND):
        while True:
            os.kill(pid, 0)
            await anyio.sleep(0.02)


async def test_client_works_as_the_user_that_the_command_names(
    fresh: dict[str, str],
) -> None:
    """We promise it: `--user`; without it the client works as nobody."""
    variables = fresh | {"DJANGO_SUPERUSER_PASSWORD": "secret"}
    manage = [sys.executable, "manage.py"]
    processes.run([*manage, "migrate", "-v", "0"], variables)
    who = ["--username", "ann", "--email", "ann@example.com"]
    processes.run([*manage, "createsuperuser", "--noinput", *who], variables)
    for options, name in ((["--user", "ann"], "ann"), ([], "")):
        async with running_stdio(*options, extra=variables) as server:
            await server.initialize()
            result = await server.call(1, "name_user")
            assert result["content"] == [{"type": "text", "text": name}]
            result = await server.call(2, "count_rows")
            assert result["structuredContent"] == {"result": 1}


async def test_unknown_server_is_refused_before_anything_is_read(
    fresh: dict[str, str],
) -> None:
    """We chose it: the command ends with a status of its own and says what there is."""
    async with running_stdio("--server", "nonsense", extra=fresh) as server:
        assert await server.wait() == 1
        with pytest.raises(anyio.EndOfStream):
            await server.receive()


def test_trace_shows_what_is_said_but_no_arguments(
    fresh: dict[str, str], tmp_path: Path
) -> None:
    """We promise it: `--trace` writes down both directions, masked."""
    messages: list[Message] = [
        jsonrpc.request(1, "initialize", INITIALIZE),
        jsonrpc.notification("notifications/initialized", None),
        jsonrpc.request(
            2, "tools/call", {"name": "echo", "arguments": {"text": "Eve"}}
        ),
    ]
    path = tmp_path / "trace.jsonl"
    subprocess.run(
        [sys.executable, "-m", "mcp_django", "stdio", "--trace", str(path)],
        input=b"".join(jsonrpc.serialize(message) + b"\n" for message in messages),
        env={**os.environ, **fresh},
        capture_output=True,
        check=True,
        timeout=BOUND,
    )
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [
        (line["direction"], line["message"].get("method"), line["message"].get("id"))
        for line in lines
    ] == [
        ("received", "initialize", 1),
        ("sent", None, 1),
        ("received", "notifications/initialized", None),
        ("received", "tools/call", 2),
        ("sent", None, 2),
    ]
    assert lines[3]["message"]["params"]["name"] == "echo"
    assert "Eve" not in text


def test_trace_that_cannot_be_written_is_refused(
    fresh: dict[str, str], tmp_path: Path
) -> None:
    """We promise it: the program says so, and does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "mcp_django", "stdio", "--trace", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **fresh},
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert done.returncode == 1
    assert f"cannot write the trace to {str(tmp_path)!r}: Is a directory" in done.stderr
