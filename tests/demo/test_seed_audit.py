"""The past that is made up for the demo's audit trail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from demo_project.library.seed_audit import MADE_UP, add_audit_entries
from mcp_django.audit.figures import OUTCOMES
from mcp_django.audit.models import Entry

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def entries() -> list[dict[str, Any]]:
    fields = ("time", "username", "feature", "outcome", "reason", "seconds")
    return list(Entry.objects.order_by("pk").values(*fields))


def test_past_has_all_that_a_trail_can_have_and_says_that_it_is_none() -> None:
    """We chose it: some weeks, of users that there are, with every outcome."""
    reader = User.objects.create_user("reader")

    count = add_audit_entries(NOW)

    assert Entry.objects.filter(credential=MADE_UP).count() == count > 1000
    assert set(Entry.objects.values_list("outcome", flat=True)) == {*OUTCOMES}
    assert Entry.objects.filter(username="reader", user_pk=reader.pk).exists()
    oldest, newest = entries()[0], Entry.objects.latest("time")
    assert oldest["time"] < NOW - timedelta(days=34)
    assert NOW - timedelta(hours=12) < newest.time <= NOW


def test_past_is_the_same_each_time() -> None:
    """We chose it: what pictures and people show stays true."""
    add_audit_entries(NOW)
    first = entries()
    Entry.objects.all().delete()

    add_audit_entries(NOW)

    assert entries() == first


def test_past_is_made_up_once_a_day_and_goes_on_after_a_pause() -> None:
    """We chose it: seeding again changes nothing, and later fills the days between."""
    add_audit_entries(NOW)
    first = entries()

    assert add_audit_entries(NOW + timedelta(hours=1)) == 0
    assert add_audit_entries(NOW + timedelta(days=9)) > 100

    assert entries()[: len(first)] == first
    assert Entry.objects.filter(time__gt=NOW + timedelta(days=8)).exists()
    assert not Entry.objects.filter(time__gt=NOW + timedelta(days=9)).exists()
