"""`manage.py mcp_doctor`, and `python -m mcp_django doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.doctor.site import RESOURCE, TOKEN, Page, Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """Run a site on a free port."""
    with serving() as site:
        yield site


def examine(url: str, *options: str) -> tuple[int, str]:
    """Run the command; give its exit status, and what it writes."""
    output = StringIO()
    try:
        call_command("mcp_doctor", url, *options, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()


def test_each_step_is_a_line(site: Site) -> None:
    """We promise it: and a site that is well is a success."""
    status, text = examine(f"{site.url}/mcp")
    lines = text.splitlines()
    assert status == 0
    assert f"ok    challenge: 401, with the metadata at {site.url}{RESOURCE}" in lines
    assert lines[-1] == f"{len(lines) - 1} findings: 0 failed, 0 warnings"


def test_what_fails_is_said_with_its_remedy(site: Site) -> None:
    """We promise it: what failed, why, and what to set; and the status is 1."""
    site.resource["resource"] = f"{site.url}/mcp/"
    status, text = examine(f"{site.url}/mcp")
    assert status == 1
    [line] = [line for line in text.splitlines() if "FAIL  resource metadata" in line]
    assert line.endswith(
        f"-> type {site.url}/mcp/, or let the document repeat the slash as it was asked"
    )


def test_findings_can_be_read_by_programs(site: Site) -> None:
    """We promise it: `--json` has the same."""
    site.set("GET", RESOURCE, Page({}, 500))
    status, text = examine(f"{site.url}/mcp", "--json")
    found = json.loads(text)
    assert status == 1
    assert found["url"] == f"{site.url}/mcp"
    assert found["failed"] == sum(
        finding["verdict"] == "failed" for finding in found["findings"]
    )
    assert set(found["findings"][0]) == {"step", "verdict", "says", "remedy"}


def test_token_comes_from_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: other users of the machine can read the command line."""
    monkeypatch.setenv("MCP_TOKEN", TOKEN)
    assert "session" not in examine(f"{site.url}/mcp")[1]
    status, text = examine(f"{site.url}/mcp", "--token")
    assert status == 0
    assert "ok    session: 'played' speaks '2025-11-25'" in text
    assert TOKEN not in text


def test_texts_of_a_site_cannot_rule_the_terminal(site: Site) -> None:
    """We promise it: what a strange site says is shown as text."""
    site.challenge = 'Basic realm="a"'
    site.resource["resource"] = "\x1b[2J"
    assert "\x1b" not in examine(f"{site.url}/mcp")[1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ftp://example.com"], "is no URL of a server"),
        (["wss://example.com"], "must be http:// or https://"),
        (["https://example.com", "--token"], "--token needs MCP_TOKEN"),
        (["https://example.com", "--timeout", "0"], "between 0 and 600"),
        (["https://example.com", "--timeout", "nan"], "between 0 and 600"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: before anything is asked."""
    monkeypatch.delenv("MCP_TOKEN", raising=False)
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(CommandError) as caught:
        call_command("mcp_doctor", *arguments)
    assert text in str(caught.value)


def test_no_project_is_needed(site: Site) -> None:
    """We promise it: any site can be examined from anywhere."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "DJANGO_SETTINGS_MODULE"
    }
    done = subprocess.run(
        [sys.executable, "-m", "mcp_django", "doctor", f"{site.url}/mcp", "--json"],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == 0
