"""Three workers of one site over Redis: each step of a login reaches another one."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from tests.demo.conftest import Demo
from tests.demo.test_pages import log_in, read_field, submit
from tests.live.daphne import serving
from tests.live.processes import wait_until
from tests.live.redis import running_redis

pytestmark = pytest.mark.live

RESOURCE = "https://library.example/mcp"
CALLBACK = "https://claude.ai/api/mcp/auth_callback"
VERSION = "2026-07-28"


@pytest.fixture
def workers(demo: Demo, tmp_path: Path) -> Iterator[list[str]]:
    """Serve a demo on three Daphnes, and give their addresses."""
    copied = demo.copy_to(tmp_path / "copy")
    with ExitStack() as running:
        redis = running.enter_context(running_redis(tmp_path))
        extra = {
            "DEMO_DATABASE": str(copied.database),
            "DJANGO_SETTINGS_MODULE": "tests.demo.worker_settings",
            "REDIS_URL": redis.url,
        }
        serve = "demo_project.asgi:application"
        yield [
            running.enter_context(
                serving(serve, log=tmp_path / f"{number}.log", extra=extra)
            ).url
            for number in range(3)
        ]


def post_form(url: str, **fields: str) -> dict[str, Any]:
    """Post a form that is answered with JSON."""
    answer = httpx2.post(url, data=fields)
    assert answer.status_code in (200, 400), answer.text
    found: dict[str, Any] = answer.json()
    return found


def call(site: str, token: str) -> int:
    """Call a tool, and give the status of the answer."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "robot", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    name = "my_loans"
    answer = httpx2.post(
        f"{site}/mcp",
        json={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": name, "arguments": {}, "_meta": meta},
        },
        headers={
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
        },
        timeout=30,
    )
    return answer.status_code


def is_refused(site: str, token: str) -> bool:
    """Say whether a token is good no longer."""
    return call(site, token) == 401


def log_in_and_allow(site: str, client_id: str, verifier: str) -> str:
    """Be the user who allows a program all it asks for; give the code."""
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "mcp:read",
        "resource": RESOURCE,
        "state": "s",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    url = f"/oauth/authorize?{urlencode(asked)}"
    with httpx2.Client(base_url=site, follow_redirects=True, timeout=30) as browser:
        log_in(browser, "reader")
        page = browser.get(url).text
        shown = read_field(page, "shown")
        answer = submit(
            browser, url, page, decision="allow", granted="mcp:read", shown=shown
        )
    told = dict(parse_qsl(urlsplit(answer.headers["Refresh"]).query))
    assert told["iss"] == "https://library.example"
    return told["code"]


def test_code_token_call_refresh_and_end_on_any_worker(workers: list[str]) -> None:
    """We promise it: what one worker gave, all others know, and that it ended."""
    one, other, third = workers
    client = {
        "client_name": "Claude",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    }
    registered = httpx2.post(f"{third}/oauth/register", json=client).json()
    by = {"client_id": registered["client_id"]}
    verifier = secrets.token_urlsafe(32)
    code = log_in_and_allow(one, by["client_id"], verifier)

    tokens = post_form(
        f"{other}/oauth/token",
        grant_type="authorization_code",
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=verifier,
        **by,
    )
    assert [call(site, tokens["access_token"]) for site in workers] == [200] * 3

    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    newer = post_form(f"{one}/oauth/token", **refresh, **by)
    repeated = post_form(f"{third}/oauth/token", **refresh, **by)
    assert repeated | {"expires_in": newer["expires_in"]} == newer
    assert [call(site, newer["access_token"]) for site in workers] == [200] * 3

    ended = httpx2.post(
        f"{other}/oauth/revoke", data={"token": newer["refresh_token"], **by}
    )
    assert ended.status_code == 200
    for site in workers:
        # It was kept there for an hour, and is told at once.
        wait_until(partial(is_refused, site, newer["access_token"]))
    again = {"grant_type": "refresh_token", "refresh_token": newer["refresh_token"]}
    assert post_form(f"{one}/oauth/token", **again, **by)["error"] == "invalid_grant"
