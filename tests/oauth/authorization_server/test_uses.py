"""When programs were last used."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from oauth2_provider.models import get_application_model

from mcp_django.oauth.authorization_server.uses import UseRecorder
from mcp_django.oauth.models import Consent

RESOURCE = "https://shop.example/mcp"


def allow(user: User, client_id: str = "claude") -> Consent:
    """Let a program act for a user."""
    return Consent.objects.create(
        user=user, client_id=client_id, resource=RESOURCE, redirect_host="claude.ai"
    )


def program(client_id: str = "claude") -> int:
    """Give the primary key of a registered program."""
    found, _ = get_application_model().objects.get_or_create(
        client_id=client_id,
        client_type="public",
        authorization_grant_type="authorization-code",
    )
    return int(found.pk)


def last_use(consent: Consent) -> object:
    """Read when a program was last used."""
    consent.refresh_from_db()
    return consent.last_used_at


def test_use_is_recorded_once_a_minute(ada: User) -> None:
    """Chosen: a call costs no write, and the page is exact enough."""
    times = [0.0]
    uses = UseRecorder(clock=lambda: times[0])
    consent = allow(ada)
    before = timezone.now()

    uses.record(ada.pk, program(), [RESOURCE])
    first = last_use(consent)
    times[0] = 59.0
    uses.record(ada.pk, program(), [RESOURCE])
    second = last_use(consent)
    times[0] = 60.0
    uses.record(ada.pk, program(), [RESOURCE])
    third = last_use(consent)

    assert first is not None
    assert first >= before  # type: ignore[operator]
    assert second == first
    assert third != first


def test_use_concerns_one_program_one_endpoint_and_one_user(
    ada: User, bob: User
) -> None:
    """Chosen: the page shows what each did by itself."""
    uses = UseRecorder()
    mine, other, his = allow(ada), allow(ada, "vscode"), allow(bob)

    uses.record(ada.pk, program(), [RESOURCE])
    uses.record(ada.pk, program("vscode"), [f"{RESOURCE}/other"])

    assert last_use(mine) is not None
    assert last_use(other) is None
    assert last_use(his) is None


@pytest.mark.django_db(transaction=True)
def test_database_that_takes_no_writes_keeps_no_program_out(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: it is asked again after a minute, with one line in the log."""
    times = [0.0]
    uses = UseRecorder(clock=lambda: times[0])
    consent = allow(ada)
    table = Consent._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(Consent, table, "away")
    try:
        uses.record(ada.pk, program(), [RESOURCE])
        times[0] = 59.0
        uses.record(ada.pk, program(), [RESOURCE])
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Consent, "away", table)
    uses.record(ada.pk, program(), [RESOURCE])
    paused = last_use(consent)
    times[0] = 60.0
    uses.record(ada.pk, program(), [RESOURCE])

    assert paused is None
    assert last_use(consent) is not None
    [line] = caplog.messages
    assert line.startswith("the use of programs cannot be recorded, for a minute")
