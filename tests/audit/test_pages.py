"""What administrators see and do: the admin page, and the command that prunes."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from mcp_django.audit.admin import EntryAdmin
from mcp_django.audit.models import Entry

pytestmark = pytest.mark.django_db

ADMIN = "/admin/mcp_audit/entry/"


def keep(feature: str, *, days: float = 0, **fields: Any) -> Entry:
    time = timezone.now() - timedelta(days=days)
    fields = {"outcome": "answered", "seconds": 0.1} | fields
    return Entry.objects.create(time=time, feature=feature, **fields)


def shown(client: Client, **query: str) -> list[str]:
    """Give the features in the list."""
    found = client.get(ADMIN, query)
    return [each.feature for each in found.context["cl"].result_list]


def test_admin_shows_entries(admin_client: Client) -> None:
    """We promise it: a list to filter and search, and each with all its fields."""
    entry = keep("sell")
    keep("buy")

    found = admin_client.get(ADMIN, {"q": "sell", "outcome": ""})
    one = admin_client.get(f"{ADMIN}{entry.pk}/change/")

    assert [each.feature for each in found.context["cl"].result_list] == ["sell"]
    assert (one.status_code, b"sell" in one.content) == (200, True)


@pytest.mark.parametrize(
    ("query", "features"),
    [
        ({}, ["now", "early"]),
        ({"period": "hour"}, ["now"]),
        ({"period": "all"}, ["now", "early", "old"]),
        ({"outcome": "refused"}, ["early"]),
        ({"reason": "no copy"}, ["early"]),
        ({"username": "ada"}, ["now"]),
        ({"username__empty": "1"}, ["early"]),
        ({"client_name": "Cursor", "period": "all"}, ["early", "old"]),
        ({"feature": "now", "feature_kind": "tool"}, ["now"]),
        ({"feature": "now", "feature_kind": "prompt"}, []),
        ({"q": "no cop"}, ["early"]),
        ({"username": "", "reason": ""}, ["now", "early"]),
    ],
)
def test_list_is_narrowed_by_what_operators_know(
    admin_client: Client, query: dict[str, str], features: list[str]
) -> None:
    """We promise it: period, user, program, feature, outcome and reason."""
    keep("now", username="ada", client_name="Claude", feature_kind="tool")
    keep("early", days=2, outcome="refused", reason="no copy", client_name="Cursor")
    keep("old", days=20, client_name="Cursor")

    assert shown(admin_client, **query) == features


def test_filter_offers_what_is_frequent_and_a_field_for_the_rest(
    admin_client: Client,
) -> None:
    """We promise it: of thousands of users not each is a link."""
    for number in range(12):
        keep("sell", username=f"user {number}")
    keep("sell", username="user 7")

    html = admin_client.get(ADMIN, {"username": "user 0", "q": "sell"}).text

    users = html[html.index("mcp-audit-username") - 4000 :]
    links = re.findall(r'href="\?([^"]*)"><bdi>(user \d+)', users)
    assert [name for _, name in links][:2] == ["user 0", "user 7"]
    assert len(links) == 9
    assert parse_qs(links[1][0].replace("&amp;", "&")) == {
        "q": ["sell"],
        "username": ["user 7"],
    }
    assert users.count("<option value=") == 12
    assert '<input type="hidden" name="q" value="sell">' in users


def test_overview_is_of_what_the_list_shows(admin_client: Client) -> None:
    """We promise it: the chart, the table and the reasons follow filters and search."""
    for outcome, reason in (("answered", ""), ("refused", "no"), ("failed", "")):
        keep("sell", username="ada", outcome=outcome, reason=reason)
    keep("buy", username="bob")

    overview = admin_client.get(ADMIN, {"username": "ada"}).context["overview"]

    assert (overview.requests, len(overview.rows)) == ("3", 57)
    assert [(each.outcome, each.count) for each in overview.shares] == [
        ("answered", "1"),
        ("refused", "1"),
        ("failed", "1"),
    ]
    assert sorted(each.reason for each in overview.reasons) == ["", "no"]


def test_page_says_from_when_on_it_counts(rf: RequestFactory, admin_user: User) -> None:
    """We promise it: where there are too many entries the newest are counted."""
    for days in (1, 2, 3):
        keep("sell", days=days)

    class Short(EntryAdmin):
        max_counted = 1

    request = rf.get(ADMIN)
    request.user = admin_user
    page = Short(Entry, admin.site).changelist_view(request)

    assert isinstance(page, TemplateResponse)
    text = " ".join(page.rendered_content.split())
    assert "There are more than 1 entries, so that only those since" in text
    assert "<dt>Requests</dt><dd>1</dd>" in text


def test_interval_and_reason_lead_to_their_entries(admin_client: Client) -> None:
    """We promise it: from what stands out to what it was, with the filters kept."""
    keep("sell", days=3, username="ada", outcome="refused", reason="no & never")
    keep("buy", days=1, username="ada")

    overview = admin_client.get(ADMIN, {"username": "ada"}).context["overview"]
    [row] = [each for each in overview.rows if each.outcomes[3] == "1"]
    [why] = overview.reasons
    found = [admin_client.get(ADMIN + each.query) for each in (row, why)]

    assert [
        [each.feature for each in one.context["cl"].result_list] for one in found
    ] == [
        ["sell"],
        ["sell"],
    ]


def test_page_says_that_nothing_fits(admin_client: Client) -> None:
    """We chose it: an empty chart would leave open why."""
    keep("sell")

    empty = admin_client.get(ADMIN, {"username": "nobody"})
    good = admin_client.get(ADMIN)

    assert b"No entry fits" in empty.content
    assert b"Nothing was refused, and nothing failed." in good.content


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"period": "year"}, "“year” is no period"),
        ({"since": "soon"}, "“soon” for “since” is no time"),
        ({"since": "1" * 5000}, "is no time"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "is no time"),
        ({"username": "a\0b"}, "No entry fits"),
        ({"feature": "x" * 5000}, "No entry fits"),
    ],
)
def test_wrong_filter_is_said(
    admin_client: Client, query: dict[str, str], said: str
) -> None:
    """We chose it: no error page, and no filter that does nothing and says nothing."""
    keep("sell")

    found = admin_client.get(ADMIN, query)

    assert (found.status_code, found.text.count("/admin/mcp_audit/")) > (200, 0)
    assert said in found.text


def test_hostile_text_is_shown_and_not_run(admin_client: Client) -> None:
    """We promise it: programs and users choose what is in the trail."""
    evil = '"><script>alert(1)</script>'
    for number in range(10):
        keep(
            f"{evil} {number}",
            username=f"{evil} {number}",
            client_name=evil,
            outcome="refused",
            reason=evil,
        )

    html = admin_client.get(ADMIN, {"client_name": evil}).text

    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") > 20


def test_page_keeps_a_strict_policy(admin_client: Client) -> None:
    """We promise it: no script, style or handler is inside the page."""
    keep("sell")

    html = admin_client.get(ADMIN).text

    assert re.findall(r"\sstyle=|\son\w+=|<style|<script(?! [^>]*src=)", html) == []
    assert 'href="/static/mcp_django/audit.css"' in html


def test_page_asks_the_database_as_often_for_many_entries(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    """We promise it: one look, whatever is in the table."""
    for number in range(30):
        keep(f"sell {number}", username=str(number), outcome="refused", reason="no")

    with django_assert_num_queries(15):
        admin_client.get(ADMIN)


def test_user_who_may_not_look_gets_no_figures(client: Client) -> None:
    """We promise it."""
    keep("sell")
    User.objects.create_user("clerk", password="clerk", is_staff=True)
    client.login(username="clerk", password="clerk")

    assert client.get(ADMIN).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_page_says_that_migrations_have_to_run(admin_client: Client) -> None:
    """We chose it: not an error page."""
    with connection.schema_editor() as editor:
        editor.delete_model(Entry)
    try:
        found = admin_client.get(ADMIN, follow=True)
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Entry)

    assert found.redirect_chain == [("/admin/", 302)]
    assert "The database lacks migrations: run" in found.text


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
