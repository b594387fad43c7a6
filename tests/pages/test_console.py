"""Who is shown the console, and what the page brings for its script."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from mcp_django.pages import console_texts
from tests.javascript import CONSOLE

pytestmark = pytest.mark.django_db


def show(user: User | None, path: str = "/mcp/console/") -> Any:
    """Ask for the page as a user."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(path)


def known_of(answer: HttpResponse) -> Any:
    """Read what the page brings for its script."""
    pattern = r'<script id="mcp-console-data" type="application/json">(.*?)</script>'
    found = re.search(pattern, answer.content.decode(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_stranger_is_sent_to_log_in() -> None:
    """We promise it: this is a page, so Django's login page answers."""
    answer = show(None)

    assert (answer.status_code, answer["location"]) == (
        302,
        "/accounts/login/?next=/mcp/console/",
    )


def test_user_without_the_permission_is_refused() -> None:
    """We promise it: Django's 403, and no JSON."""
    answer = show(User.objects.create_user("reader"))

    assert answer.status_code == 403
    assert answer["content-type"].startswith("text/html")


def test_staff_and_who_has_the_permission_are_shown_it() -> None:
    """Chosen: staff need no permission; others can be given it."""
    clerk = User.objects.create_user("clerk", is_staff=True)
    reader = User.objects.create_user("reader")
    permission = Permission.objects.get(codename="use_console")
    reader.user_permissions.add(permission)

    assert permission.content_type.app_label == "mcp_pages"
    assert show(clerk).status_code == show(reader).status_code == 200


def test_page_lets_its_own_scripts_run_and_connect_to_the_site() -> None:
    """We promise it: a strict policy, without any inline script."""
    answer = show(User.objects.create_user("clerk", is_staff=True))
    policy = dict(
        part.strip().split(" ", 1)
        for part in answer["content-security-policy"].split(";")
    )

    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://testserver"
    assert policy["default-src"] == "'none'"
    scripts = re.findall(r"<script[^>]*>", answer.content.decode())
    assert [script for script in scripts if "application/json" not in script] == [
        '<script type="module" src="/static/mcp_django/console/main.js">'
    ]


def test_page_brings_what_its_script_needs(settings: Settings) -> None:
    """Chosen: where the endpoint is, whose login counts, versions and texts."""
    clerk = User.objects.create_user("<b>clerk", is_staff=True)
    known = known_of(show(clerk))
    settings.MCP = {"AUTHENTICATION": ["mcp_django.auth.tokens.TokenAuthenticator"]}
    without_cookies = known_of(show(clerk))

    assert known["path"] == "/mcp"
    assert known["user"] == "<b>clerk"
    assert known["versions"]["modern"] == ["2026-07-28"]
    assert known["loginUrl"] == "/accounts/login/?next=/mcp/console/"
    assert known["texts"]["connection"]["connect"] == "Connect"
    assert (known["takesCookies"], without_cookies["takesCookies"]) == (True, False)


def test_landing_page_leads_who_may_use_it_there() -> None:
    """Chosen: others see no door that is locked for them."""
    link = 'href="/mcp/console/"'
    pages = []
    for is_staff in (True, False):
        client = Client()
        name = f"staff {is_staff}"
        client.force_login(User.objects.create_user(name, is_staff=is_staff))
        headers: Any = {"accept": "text/html"}
        pages.append(client.get("/mcp", headers=headers).content.decode())

    assert [link in page for page in pages] == [True, False]


def test_site_without_a_login_page_refuses_strangers(settings: Settings) -> None:
    """Chosen: the page leads nowhere that is not there."""
    settings.ROOT_URLCONF = "tests.pages.urls"

    assert show(None, "/console/").status_code == 403
    clerk = User.objects.create_user("clerk", is_staff=True)
    assert known_of(show(clerk, "/console/"))["path"] == ""


def test_script_has_the_texts_it_uses_and_no_others() -> None:
    """Chosen: texts are looked up by name, where a wrong one would show nothing."""
    paths = [CONSOLE / "main.js", *CONSOLE.glob("views/*.js")]
    source = "".join(path.read_text() for path in paths)
    groups = set(console_texts.console_texts())
    own = (
        console_texts.connection_texts(),
        console_texts.feature_texts(),
        console_texts.question_texts(),
        console_texts.message_texts(),
    )
    texts = set().union(*own)
    used = set(re.findall(r"\btexts(?:\.\w+)?\.(\w+)", source)) - groups - {"js"}
    # Some are named by what was found, such as how a connection ended.
    links = "".join(path.read_text() for path in CONSOLE.glob("link/*.js"))
    named = set(re.findall(r'["\s]([\w-]+)["\:]', source + links))

    assert used <= texts
    assert texts <= used | named
