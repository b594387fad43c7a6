"""Forgetting clients that are not used."""

from __future__ import annotations

import datetime
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_grant_model,
    get_refresh_token_model,
)
from pytest_django import Settings

from mcp_django.oauth.models import Consent

pytestmark = pytest.mark.django_db


def prune(*args: str) -> str:
    """Run the command."""
    output = StringIO()
    call_command("mcp_prune_clients", *args, stdout=output)
    return output.getvalue()


def make(name: str, *, days: float, source: str = "dcr", **fields: Any) -> Any:
    """Make a client that is some days old."""
    client = get_application_model().objects.create(
        name=name, registration_source=source, hash_client_secret=False, **fields
    )
    created = timezone.now() - datetime.timedelta(days=days)
    get_application_model().objects.filter(pk=client.pk).update(created=created)
    return client


def names() -> list[str]:
    """Give the names of the clients that are left."""
    clients = get_application_model().objects.order_by("pk")
    return [client.name for client in clients]


def test_old_clients_without_a_user_are_forgotten() -> None:
    """Chosen: after a month no user comes back to finish a login."""
    make("old", days=31)
    make("young", days=29)
    make("old, of an administrator", days=31, source="manual")

    output = prune()

    assert output == (
        "Forgot 1 client(s) without a user\nDeleted 0 expired CIMD application(s)\n"
    )
    assert names() == ["young", "old, of an administrator"]
    assert prune("--days", "7").startswith("Forgot 1 ")
    assert prune("--days", "0").startswith("Forgot 0 ")


def test_clients_that_something_refers_to_stay() -> None:
    """Chosen: also where all of it has expired."""
    user = get_user_model().objects.create_user("reader")
    past = timezone.now() - datetime.timedelta(days=40)
    of_token, of_refresh, of_grant, of_consent = (
        make(name, days=50) for name in ("token", "refresh", "grant", "consent")
    )
    get_access_token_model().objects.create(
        application=of_token, user=user, expires=past, token="a"
    )
    get_refresh_token_model().objects.create(
        application=of_refresh, user=user, revoked=past, token="r"
    )
    get_grant_model().objects.create(
        application=of_grant, user=user, expires=past, code="c"
    )
    Consent.objects.create(user=user, client_id=of_consent.client_id, resource="r")

    assert prune().startswith("Forgot 0 ")
    assert names() == ["token", "refresh", "grant", "consent"]


def test_documents_that_are_out_of_date_go_with_their_dead_tokens() -> None:
    """Chosen: they come back with the next login, and consents do not refer to them."""
    user = get_user_model().objects.create_user("reader")
    now = timezone.now()
    day = datetime.timedelta(days=1)
    live = make("live", days=2, source="cimd", cimd_expires_at=now - day)
    dead = make("dead", days=2, source="cimd", cimd_expires_at=now - day)
    make("fresh", days=2, source="cimd", cimd_expires_at=now + day)
    for client, expires in ((live, now + day), (dead, now - day)):
        get_access_token_model().objects.create(
            application=client, user=user, expires=expires, token=client.name
        )

    assert prune().endswith("Deleted 1 expired CIMD application(s)\n")
    assert names() == ["live", "fresh"]


@pytest.mark.parametrize("days", ["-1", "x", "1.5", "40000", "²"])
def test_wrong_days_are_refused(days: str) -> None:
    """Chosen: a clear error, and nothing is forgotten."""
    with pytest.raises(CommandError, match="is not a number of days up to 36500"):
        prune(f"--days={days}")


def test_without_the_toolkit_there_is_nothing_to_forget(settings: Settings) -> None:
    """Chosen: a site may be a resource server alone."""
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "oauth2_provider"
    ]
    with pytest.raises(CommandError, match="'oauth2_provider' is not in INSTALLED_APP"):
        prune()
