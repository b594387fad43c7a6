"""Rows that workers name by their primary keys."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from mcp_django.operations.rows import rows_named
from tests.pages.admin.staff import make_staff


@pytest.mark.django_db
def test_rows_are_found_beside_names_that_can_be_no_keys() -> None:
    """We promise it: one name of another origin hides no other."""
    user = make_staff()
    others = ["", "\0", "olga", "1.5", "9" * 30, "-1", "9" * 5000]

    assert rows_named(User, [str(user.pk), *others]) == {str(user.pk): user}
    assert rows_named(User, others) == {}


@pytest.mark.django_db
def test_keys_may_be_texts() -> None:
    """We promise it: a project may have its own model for users."""
    row = Session.objects.create(session_key="k\N{SNOWMAN}", expire_date=timezone.now())

    assert rows_named(Session, ["k\N{SNOWMAN}", "\0", ""]) == {row.pk: row}
