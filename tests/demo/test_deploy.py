"""The library as `demo_project/deploy` says: nginx before two processes, over Redis.

nginx has a certificate, as the compose file says of a site on the internet.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.certificates import write_certificate
from tests.cluster.postgres import DATABASE, USER, PostgresServer, find_programs
from tests.live import processes
from tests.live.processes import ROOT, wait_until
from tests.live.redis import free_port, running_redis
from tests.live.restartable import Restartable
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

DEPLOY = ROOT / "demo_project" / "deploy"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "robot", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "my_loans",
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "my_loans", "arguments": {}, "_meta": META},
}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "clientInfo": {"name": "robot", "version": "1"},
        "capabilities": {},
    },
}


class Process(Restartable):
    """A process as the command of the Dockerfile starts it."""

    def __init__(self, name: str, folder: Path, extra: dict[str, str]) -> None:
        super().__init__()
        self.log = folder / f"{name}.log"
        self._extra = extra

    def _begin(self, running: ExitStack) -> subprocess.Popen[bytes]:
        said = json.loads(_instruction("CMD"))
        address = {"0.0.0.0": "127.0.0.1", "8000": str(self.port)}
        command = [sys.executable, *(address.get(word, word) for word in said[1:])]
        return running.enter_context(
            processes.running(
                command, log=self.log, extra=self._extra, is_ready=self.is_ready
            )
        )

    def is_ready(self) -> bool:
        """Ask it as nginx cannot, and a load balancer would."""
        try:
            url = f"http://127.0.0.1:{self.port}/mcp/health/ready"
            return httpx2.get(url, headers={"Host": "10.0.0.1"}).status_code == 200
        except httpx2.TransportError:
            return False


@dataclass(frozen=True)
class Site:
    """What was deployed.

    Attributes:
        url: Of nginx.
        plain_url: Of nginx, without TLS.
        trust: Trusts its certificate.
        token: Of a user of the library.
        processes: Those behind nginx.
    """

    url: str
    plain_url: str
    trust: ssl.SSLContext
    token: str
    processes: tuple[Process, Process]

    @property
    def headers(self) -> dict[str, str]:
        """Those of a call."""
        return {**HEADERS, **self.authorization}

    @property
    def authorization(self) -> dict[str, str]:
        """The header that says who the user is."""
        return {"Authorization": f"Bearer {self.token}"}

    def open_client(self, **options: Any) -> httpx2.Client:
        """Open a client."""
        return httpx2.Client(verify=self.trust, timeout=PATIENCE_SECONDS, **options)


def _instruction(name: str) -> str:
    """Give what the last instruction of this name in the Dockerfile says."""
    text = (DEPLOY / "Dockerfile").read_text()
    said: list[str] = re.findall(rf"^{name} (.*)$", text, re.MULTILINE)
    return said[-1]


def _run(command: list[str], extra: dict[str, str]) -> str:
    return processes.run([sys.executable, "manage.py", *command], extra)[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy the library on this machine."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    programs = find_programs()
    if not (nginx and programs) and not os.environ.get("CI"):
        pytest.skip("nginx or PostgreSQL is not installed")
    assert nginx, "nginx is not installed (Debian's package: nginx)"
    assert programs, "PostgreSQL is not installed"
    folder = tmp_path_factory.mktemp("deployed")
    postgres = PostgresServer(programs)
    postgres.create()
    with ExitStack() as running:
        running.callback(postgres.delete)
        postgres.start()
        redis = running.enter_context(running_redis(folder))
        extra = {
            "DEMO_DEBUG": "0",
            "DEMO_HOSTS": "127.0.0.1",
            "DEMO_POSTGRES": f"postgresql://{USER}@127.0.0.1:{postgres.port}/{DATABASE}",
            "DEMO_SECRET_KEY": "k" * 60,
            "DEMO_STATIC_ROOT": str(folder / "static"),
            "REDIS_URL": redis.url,
            "DJANGO_SUPERUSER_PASSWORD": "admin",
        }
        _run(["migrate", "--verbosity", "0"], extra)
        _run(["collectstatic", "--no-input", "--verbosity", "0"], extra)
        person = ["--username", "admin", "--email", "admin@library.example"]
        _run(["createsuperuser", "--no-input", *person], extra)
        token = _run(["mcp_token", "create", "admin", "--name", "robot"], extra)
        token = token.split()[-1]
        workers = Process("web1", folder, extra), Process("web2", folder, extra)
        for worker in workers:
            running.callback(worker.stop)
            worker.start()
        certificate = folder / "certificate.pem"
        write_certificate(certificate)
        tls, plain = running.enter_context(_nginx(nginx, folder, workers))
        yield Site(
            url=f"https://127.0.0.1:{tls}",
            plain_url=f"http://127.0.0.1:{plain}",
            trust=ssl.create_default_context(cafile=certificate),
            token=token,
            processes=workers,
        )


@contextmanager
def _nginx(
    nginx: str, folder: Path, workers: tuple[Process, Process]
) -> Iterator[tuple[int, int]]:
    """Run nginx with the configuration as it stands, but for addresses and paths."""
    text = (DEPLOY / "nginx.conf").read_text()
    tls, plain = free_port(), free_port()
    listen = (
        f"listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;"
        f"ssl_certificate {folder}/certificate.pem;"
        f"ssl_certificate_key {folder}/certificate.pem;"
    )
    for said, meant in (
        ("listen 80;", listen),
        ("web1:8000", f"127.0.0.1:{workers[0].port}"),
        ("web2:8000", f"127.0.0.1:{workers[1].port}"),
        ("/srv/static/", f"{folder}/static/"),
    ):
        assert text.count(said) == 1
        text = text.replace(said, meant)
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = f"{name}_temp_path {folder}/{name};\n{text}"
    owner = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"{owner} daemon off; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ include /etc/nginx/mime.types; access_log off;\n{text}}}"
    )

    def answers() -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{plain}/static/").status_code > 0
        except httpx2.TransportError:
            return False

    command = [nginx, "-p", str(folder), "-c", str(configuration)]
    log = folder / "nginx.log"
    with processes.running(command, log=log, extra={}, is_ready=answers):
        yield tls, plain


def test_pages_and_static_files_are_served(site: Site) -> None:
    """We promise it: with DEBUG off, and the probes are for the inside."""
    with site.open_client() as client:
        page = client.get(f"{site.url}/admin/login/")
        assert page.status_code == 200
        (style,) = re.findall(r'href="(/static/admin/css/base[^"]*)"', page.text)
        assert client.get(f"{site.url}{style}").headers["content-type"] == "text/css"
        assert client.get(f"{site.url}/mcp/health/ready").status_code == 404


def test_call_is_answered_by_both(site: Site) -> None:
    """We promise it: any process takes any request."""
    with site.open_client(headers=site.headers) as client:
        for _ in range(4):
            answer = client.post(f"{site.url}/mcp", json=CALL)
            assert answer.status_code == 200, answer.text
            assert "max-age=" in answer.headers["strict-transport-security"]
    for worker in site.processes:
        assert '"POST /mcp" 200' in worker.log.read_text()


def test_call_without_tls_is_refused(site: Site) -> None:
    """We promise it: its token has travelled already, so it is not redirected."""
    with site.open_client(headers=site.headers) as client:
        answer = client.post(f"{site.plain_url}/mcp", json=CALL)
        assert answer.status_code == 403
        assert "HTTPS" in answer.json()["error"]["message"]
        page = client.get(f"{site.plain_url}/admin/login/")
        assert page.headers["location"].startswith("https://")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("{url}", 200),
        ("{plain}", 403),
        ("https://127.0.0.1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_the_site_alone_may_call(site: Site, origin: str, status: int) -> None:
    """We promise it: an origin is scheme, host and port, as the client knows them."""
    plain = site.url.replace("https", "http")
    headers = {**site.headers, "Origin": origin.format(url=site.url, plain=plain)}
    with site.open_client(headers=headers) as client:
        assert client.post(f"{site.url}/mcp", json=CALL).status_code == status


def test_events_come_at_once_and_posts_reach_their_session(site: Site) -> None:
    """We promise it: nginx holds nothing back, and deals posts to both processes."""
    with (
        site.open_client(headers=site.authorization) as client,
        client.stream("GET", f"{site.url}/mcp/sse") as stream,
    ):
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        path = next(lines).removeprefix("data:").strip()
        for number in range(1, 5):
            message = INITIALIZE if number == 1 else {"method": "ping"}
            message = {"jsonrpc": "2.0", **message, "id": number}
            assert client.post(f"{site.url}{path}", json=message).status_code == 202
            assert json.loads(next(lines).removeprefix("data:"))["id"] == number


def test_websocket_passes_with_the_site_s_own_origin(site: Site) -> None:
    """We promise it: and with no foreign one."""
    open_socket = partial(
        connect,
        site.url.replace("https", "wss") + "/mcp",
        additional_headers=site.authorization,
        ssl=site.trust,
    )
    with open_socket(origin=Origin(site.url)) as opened:
        opened.send(json.dumps(INITIALIZE))
        assert "serverInfo" in json.loads(opened.recv(PATIENCE_SECONDS))["result"]
    for foreign in (site.url.replace("https", "http"), "https://evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            open_socket(origin=Origin(foreign))
        assert refused.value.response.status_code == 403


def test_address_is_the_client_s_and_not_what_it_says(site: Site) -> None:
    """We promise it: by what nginx says."""
    transport = httpx2.HTTPTransport(local_address="127.0.0.9", verify=site.trust)
    with httpx2.Client(transport=transport) as client:
        for _ in site.processes:
            forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http"}
            page = client.get(f"{site.url}/admin/login/", headers=forged)
            assert page.status_code == 200, "not redirected to what it is already"
    for worker in site.processes:
        text = wait_until(lambda: worker.log.read_text())  # noqa: B023
        assert "127.0.0.9" in text
        assert "6.6.6.6" not in text


def test_rolling_restart_loses_no_call_without_a_word(site: Site) -> None:
    """We promise it: a call is answered, or refused with a status to act on."""
    is_over = threading.Event()

    def call_again_and_again() -> Counter[int]:
        seen: Counter[int] = Counter()
        with site.open_client(headers=site.headers) as client:
            while not is_over.is_set():
                answer = client.post(f"{site.url}/mcp", json=CALL)
                seen[answer.status_code] += 1
                if answer.status_code == 503:
                    assert int(answer.headers["retry-after"]) >= 1
        return seen

    with ThreadPoolExecutor(8) as threads:
        calling = [threads.submit(call_again_and_again) for _ in range(8)]
        try:
            for worker in site.processes:
                worker.stop()
                worker.start()
        finally:
            is_over.set()
    seen = sum((each.result() for each in calling), Counter[int]())
    # What connects in the moment in which a process stops to listen is reset by the
    # system, which nginx tells as 502.
    assert set(seen) <= {200, 502, 503}, seen
    assert seen[200] > 10 * seen[502], seen
    assert seen[200] > seen[503], seen
