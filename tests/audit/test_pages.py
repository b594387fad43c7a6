"""What administrators see and do: the admin page, and the command that prunes."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mcp_django.audit.models import Entry

pytestmark = pytest.mark.django_db

ADMIN = "/admin/mcp_audit/entry/"


def keep(feature: str, *, days: float = 0) -> Entry:
    time = timezone.now() - timedelta(days=days)
    return Entry.objects.create(time=time, feature=feature, seconds=0.1)


def test_admin_shows_entries(admin_client: Client) -> None:
    """We promise it: a list to filter and search, and each with all its fields."""
    entry = keep("sell")
    keep("buy")

    found = admin_client.get(ADMIN, {"q": "sell", "outcome": ""})
    one = admin_client.get(f"{ADMIN}{entry.pk}/change/")

    assert [each.feature for each in found.context["cl"].result_list] == ["sell"]
    assert (one.status_code, b"sell" in one.content) == (200, True)


def test_admin_changes_nothing(admin_client: Client) -> None:
    """We promise it: a trail that can be edited proves nothing."""
    entry = keep("sell")

    statuses = [
        admin_client.post(f"{ADMIN}{path}", {"feature": "other"}).status_code
        for path in ("add/", f"{entry.pk}/change/", f"{entry.pk}/delete/")
    ]

    assert statuses == [403, 403, 403]
    assert list(Entry.objects.values_list("feature", flat=True)) == ["sell"]


def test_command_prunes_by_the_setting_or_the_option(settings: Settings) -> None:
    """We promise it."""
    settings.MCP = {"AUDIT_DAYS": 30}
    for days in (1, 10, 40):
        keep(f"{days} days old", days=days)
    said = StringIO()

    call_command("mcp_prune_audit", stdout=said)
    call_command("mcp_prune_audit", "--days", "5", stdout=said)

    assert said.getvalue().splitlines() == [
        "1 entries deleted that are older than 30 days",
        "1 entries deleted that are older than 5 days",
    ]
    assert [entry.feature for entry in Entry.objects.all()] == ["1 days old"]


@pytest.mark.parametrize("days", ["-1", "nan", "many"])
def test_command_says_what_days_are(days: str) -> None:
    """We chose it: a slip must not delete everything."""
    with pytest.raises(CommandError, match="no number of days"):
        call_command("mcp_prune_audit", f"--days={days}")


def test_command_deletes_nothing_where_entries_are_kept_for_ever(
    settings: Settings,
) -> None:
    """We chose it."""
    settings.MCP = {"AUDIT_DAYS": None}

    with pytest.raises(CommandError, match="keeps entries for ever"):
        call_command("mcp_prune_audit")
