"""`manage.py mcp_config`: what the connect page shows, at a terminal."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import modify_settings
from pytest_django import Settings

URL = "https://localhost/mcp"


def run(*arguments: str) -> str:
    """Give what the command prints."""
    out = StringIO()
    call_command("mcp_config", *arguments, stdout=out)
    return out.getvalue()


def test_without_a_name_the_clients_are_listed() -> None:
    """We promise it."""
    lines = run().splitlines()

    assert lines[0].split() == ["claude", "Claude"]
    assert len(lines) == 12


def test_unknown_client_is_told_which_there_are() -> None:
    """We promise it."""
    with pytest.raises(CommandError, match=r"'clyde'; there are claude, claude-code"):
        run("--client", "clyde")


def test_client_logs_in_where_that_is_offered() -> None:
    """We promise it: the same as the page."""
    text = run("--client", "codex", "--url", URL)

    assert "Codex: logs in with OAuth" in text
    assert f"\ncodex mcp add site --url {URL}\n" in text
    assert '\n[mcp_servers.site]\nurl = "https://localhost/mcp"\n' in text
    assert "Looked up on 2026-11-30 in https://developers.openai.com/" in text


@pytest.mark.parametrize(
    ("given", "shown"), [("", "YOUR_TOKEN"), ("mcp_abc", "mcp_abc")]
)
def test_token_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: str, shown: str
) -> None:
    """Chosen: what is secret stands on no command line."""
    monkeypatch.setenv("MCP_TOKEN", given)
    told = json.loads(
        run("--client", "cursor", "--token", "--url", URL, "--json"),
    )
    [step] = told["steps"]

    assert told["way"] == "token"
    assert json.loads(step["code"])["mcpServers"]["site"]["headers"] == {
        "Authorization": f"Bearer {shown}"
    }


@modify_settings(INSTALLED_APPS={"remove": ["mcp_django.oauth", "oauth2_provider"]})
def test_without_oauth_it_is_by_token() -> None:
    """We promise it."""
    assert "is given a token" in run("--client", "gemini", "--url", URL)
    with pytest.raises(CommandError, match="Claude takes no tokens"):
        run("--client", "claude", "--url", URL)


def test_url_is_that_of_the_settings(settings: Settings) -> None:
    """We promise it: the first path of the server, below `PUBLIC_URL`."""
    settings.MCP = {"PUBLIC_URL": "https://shop.example/"}
    settings.ALLOWED_HOSTS = ["shop.example"]

    assert json.loads(run("--client", "sdk", "--json"))["url"] == (
        "https://shop.example/mcp"
    )


@pytest.mark.django_db
def test_client_starts_the_server_itself() -> None:
    """We promise it: as a user who exists, by the command that runs here."""
    User.objects.create(username="ann")
    told: Any = json.loads(run("--client", "stdio", "--user", "ann", "--json"))
    [step] = told["steps"]
    entry = json.loads(step["code"])["mcpServers"]["site"]

    assert told["way"] == "local"
    assert entry["args"][-4:] == ["--user", "ann", "--server", "site"]
    with pytest.raises(CommandError, match="bob"):
        run("--client", "stdio", "--user", "bob")
    with pytest.raises(CommandError, match="ChatGPT starts no servers itself"):
        run("--client", "chatgpt", "--user", "ann")
    with pytest.raises(CommandError, match="leave one out"):
        run("--client", "stdio", "--user", "ann", "--url", URL)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --url"),
        (("--url", "shop.example/mcp"), "no URL of a server"),
        (("--url", "wss://localhost/mcp"), "must be http:// or https://"),
        (("--url", "https://else.example/mcp"), "ALLOWED_HOSTS does not have it"),
        (("--url", URL, "--server", "x"), "no server 'x'; pass --server with one of"),
    ],
)
def test_what_is_missing_is_said(arguments: tuple[str, ...], told: str) -> None:
    """We promise it."""
    with pytest.raises(CommandError, match=told):
        run("--client", "claude-code", *arguments)


def test_site_that_lets_no_program_in_says_so(settings: Settings) -> None:
    """Chosen: instructions that cannot work are worse than none."""
    sessions = "mcp_django.auth.django_session.SessionAuthenticator"
    settings.MCP = {"AUTHENTICATION": [sessions]}

    with pytest.raises(CommandError, match="no program can get in"):
        run("--client", "cursor", "--url", URL)
    with pytest.raises(CommandError, match="takes no tokens"):
        run("--client", "cursor", "--url", URL, "--token")
