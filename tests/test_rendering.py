"""What the pages that people see have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from pytest_django import Settings

from mcp_django.rendering import render_page
from tests.oauth.urlconfs import root_urlconf

ERROR = "mcp_django/oauth/error.html"


def show(reason: str = "The client is unknown.") -> HttpResponse:
    """Show a page."""
    request = RequestFactory().get("/", headers={"Host": "localhost:8000"})
    request.user = AnonymousUser()
    return render_page(request, ERROR, {"reason": reason}, status=400)


def policy_of(response: HttpResponse) -> dict[str, str]:
    """Give the directives of a page's policy."""
    parts = response["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


def test_pages_cannot_be_framed_kept_or_scripted() -> None:
    """Chosen: users decide something there."""
    response = show()

    assert response.status_code == 400
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert "no-store" in response["Cache-Control"]
    assert policy_of(response) == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_pages_have_no_inline_script_or_style() -> None:
    """Chosen: the policy would block them."""
    page = show().content.decode()

    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page


def test_styles_may_come_from_where_the_site_has_its_own(settings: Settings) -> None:
    """Chosen: static files are often elsewhere, and fonts too."""
    settings.STATIC_URL = "https://static.example/shop/"
    settings.MCP = {"PAGE_SOURCES": ["https://fonts.example"]}

    policy = policy_of(show())

    assert policy["style-src"] == "'self' https://static.example https://fonts.example"
    assert policy["font-src"].endswith(" https://static.example https://fonts.example")
    assert policy["form-action"] == "'self'"


def test_page_says_where_one_is() -> None:
    """Chosen: without a name of its own the site is its host."""
    assert "<bdi>localhost:8000</bdi>" in show().content.decode()


def test_what_others_wrote_is_text(settings: Settings) -> None:
    """Chosen."""
    assert "&lt;b&gt;" in show(reason="<b>").content.decode()


def test_page_says_what_the_project_calls_itself(settings: Settings) -> None:
    """Chosen."""
    settings.MCP = {"SITE_NAME": "Fine Things"}

    page = show().content.decode()

    assert "<bdi>Fine Things</bdi>" in page
    assert "<title>This cannot go on · Fine Things</title>" in page


def log_in(**form: str) -> str:
    """Ask for the plain login page, or send its form."""
    view = LoginView.as_view(template_name="mcp_django/login.html")
    with root_urlconf(path("login/", view), MCP={"SITE_NAME": "Fine Things"}):
        url = "/login/?next=/mine/"
        page = Client().post(url, form) if form else Client().get(url)
        return page.content.decode()


def test_sites_without_a_login_page_can_take_ours() -> None:
    """Chosen: that of the admin lets in staff alone."""
    page = log_in()

    assert 'name="next" value="/mine/"' in page
    assert "<bdi>Fine Things</bdi>" in page
    assert "<title>Log in · Fine Things</title>" in page
    assert '<label for="id_username">Username:</label>' in page
    assert 'autocomplete="current-password"' in page
    assert "role" not in page.partition("<form")[2]


@pytest.mark.django_db
def test_wrong_password_is_refused_with_a_word() -> None:
    """Chosen."""
    page = log_in(username="ada", password="wrong")

    assert 'role="alert"' in page
    assert "Please enter a correct username and password." in page


@pytest.fixture
def own_base(tmp_path: Path, settings: Settings) -> None:
    """Give the project a base template, and have our pages extend it."""
    (tmp_path / "mcp_django").mkdir()
    (tmp_path / "mcp_django" / "base.html").write_text('{% extends "site.html" %}')
    (tmp_path / "site.html").write_text(
        "<nav>The Shop</nav>{% block content %}{% endblock %}"
    )
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]


@pytest.mark.usefixtures("own_base")
def test_project_gives_pages_its_own_look() -> None:
    """Chosen: by a template of the same name, the usual way of Django."""
    page = show().content.decode()

    assert page.startswith("<nav>The Shop</nav>")
    assert "The client is unknown." in page
