"""Pages of the admin, of a database that lacks what they show."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "page"),
    [
        ("mcp_switches.switch", ""),
        ("mcp_switches.switch", "add/"),
        ("mcp_oauth.consent", ""),
        ("mcp_oauth.consent", "1/change/"),
        ("mcp_oauth.consent", "1/delete/"),
        ("mcp_audit.entry", "1/change/"),
        ("mcp_accounts.account", ""),
        ("mcp_tokens.token", "1/history/"),
    ],
)
def test_admin_says_what_to_run(client: Client, model: str, page: str) -> None:
    """Chosen: in place of an error page, when an app has just been added."""
    client.force_login(User.objects.create_superuser("root"))
    table = apps.get_model(model)._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO gone")
    data = {"kind": "tool", "name": "x", "why": ""}
    url = f"/admin/{model.replace('.', '/')}/{page}"

    ask = client.post if page == "add/" else client.get
    response = ask(url, data, follow=True)

    assert response.redirect_chain[-1] == ("/admin/", 302)
    assert "lacks migrations: run makemigrations and migrate first" in response.text
