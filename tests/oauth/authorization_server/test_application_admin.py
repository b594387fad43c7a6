"""The admin pages of clients."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path

from mcp_django.oauth.authorization_server.application_admin import ApplicationAdmin
from tests.live.processes import ROOT, environment
from tests.oauth.authorization_server.asking import register
from tests.oauth.urlconfs import root_urlconf

SCRIPT = """
import django
django.setup()
from django.contrib import admin
from oauth2_provider.models import get_application_model
print(type(admin.site._registry[get_application_model()]).__module__)
"""


@pytest.mark.django_db
def test_administrators_see_how_clients_came_and_no_broken_links() -> None:
    """Chosen: the toolkit's own pages of clients need not be there."""
    application = register("https://claude.ai/cb", client_id="claude-7")
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    listing = "/admin/oauth2_provider/application/"
    site = AdminSite()
    site.register(type(application), ApplicationAdmin)

    with root_urlconf(path("admin/", site.urls)):
        listed: Any = browser.get(listing, {"q": "claude-7"})
        page: Any = browser.get(f"{listing}{application.pk}/change/")

    assert listed.status_code == page.status_code == 200
    assert "Dynamic Client Registration" in listed.content.decode()
    assert "viewsitelink" not in page.content.decode()


def test_toolkit_finds_the_page_by_itself() -> None:
    """Chosen: its admin module asks for ours while it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment({"DJANGO_SETTINGS_MODULE": "demo_project.settings"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    expected = "mcp_django.oauth.authorization_server.application_admin\n"
    assert (done.stdout, done.stderr) == (expected, "")
