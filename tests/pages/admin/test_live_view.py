"""What the page "Live" says of what workers answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory
from oauth2_provider.models import get_access_token_model, get_application_model

from mcp_django.operations import Answers
from mcp_django.pages.admin.live_ends import End, choices_for
from mcp_django.pages.admin.live_view import LiveView, lasting
from tests.pages.admin.staff import make_staff

pytestmark = pytest.mark.django_db


def worker(pid: int, **more: Any) -> dict[str, Any]:
    """Make what a worker answers."""
    return {
        "worker": f"w{pid}",
        "host": "web",
        "pid": pid,
        "mailbox": f"m{pid}",
        "state": "serving",
        "seconds": 3.0,
        "streams": {},
        "running": {},
        "threads": 0,
        "handled": 1,
        "refused": 0,
        "refused_by": {},
        "relayed": 0,
        "users": {},
        **more,
    }


def row(**more: Any) -> dict[str, Any]:
    """Make what a worker lists."""
    return {
        "id": "w1:1",
        "sort": "sse",
        "seconds": 3.0,
        "server": "shop",
        "user": "",
        "credential": "",
        "program": "",
        "client": "",
        "client_version": "",
        "version": "",
        "running": [],
        "unnamed": 0,
        "waiting": 0,
        **more,
    }


def view_of(*workers: dict[str, Any], user: User | None = None, **more: Any) -> Any:
    """Make what a user sees."""
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    return LiveView(Answers(list(workers), **more), request, admin.site)


def test_what_runs_comes_first_and_then_what_is_open_longest() -> None:
    """Chosen: over all workers."""
    live = view_of(
        worker(1, open=[row(id="a"), row(id="b", seconds=70.0)], unlisted=2),
        worker(2, open=[row(id="c", seconds=1.0, running=["tool:x"])], unlisted=3),
    )

    assert [each.id for each in live.open] == ["c", "b", "a"]
    assert [each.worker for each in live.open] == ["web:2", "web:1", "web:1"]
    assert live.unlisted == 5


def test_refusals_of_all_workers_are_added_up_by_reason() -> None:
    """Chosen: of what only the status is known, it is said without a reason."""
    live = view_of(
        worker(
            1, refused_by={"400": 3}, refused_because=[[400, "no id", 1], [400, "x", 2]]
        ),
        worker(2, refused_by={"400": 1}, refused_because=[[400, "no id", 1]]),
        worker(3, refused_by={"401": 5}),  # of an earlier version
    )

    assert live.refusals == [(401, "", 5), (400, "no id", 2), (400, "x", 2)]


def test_silent_workers_are_named() -> None:
    """Chosen: what does not answer is not left out of the picture."""
    live = view_of(worker(1), silent={"specific.web2!x": 75.0}, problem="the clock ...")

    assert "specific.web2!x" in live.warnings[0]
    assert "1\xa0minute ago" in live.warnings[0]
    assert live.warnings[1] == "the clock ..."


def test_times_are_said_in_the_unit_that_tells_something() -> None:
    """Chosen: as the admin says them elsewhere, and seconds."""
    assert [lasting(seconds) for seconds in (0.4, 1.0, 59.9, 7300.0)] == [
        "0 seconds",
        "1 second",
        "59 seconds",
        "2\xa0hours",
    ]


def test_users_are_named_as_far_as_the_database_knows_them() -> None:
    """Chosen: also those who were deleted, and clients of no user."""
    ada = User.objects.create_user("ada")
    keys = (str(ada.pk), "999", "")
    live = view_of(worker(1, open=[row(user=key) for key in keys]))

    assert [str(each.owner) for each in live.open] == [
        "ada",
        "user with the id 999",
        "no user",
    ]


def test_programs_and_tokens_of_oauth_have_names_and_links() -> None:
    """Chosen: for those who may see these rows; others read the labels."""
    program = get_application_model().objects.create(name="Phone", client_id="phone")
    token = get_access_token_model().objects.create(
        application=program, token="x", expires="2030-01-01T00:00Z"
    )
    labels = {
        "program": f"application {program.pk}",
        "credential": f"OAuth token {token.pk}",
    }
    opened = worker(1, open=[row(**labels), row(program="https://elsewhere/id")])

    [shown, other] = view_of(
        opened, user=make_staff("view_application", "view_accesstoken")
    ).open
    assert [(each.shown, each.url) for each in shown.credentials] == [
        (
            f"Phone (application {program.pk})",
            f"/admin/oauth2_provider/application/{program.pk}/change/",
        ),
        (
            f"OAuth token {token.pk}",
            f"/admin/oauth2_provider/accesstoken/{token.pk}/change/",
        ),
    ]
    assert [each.shown for each in other.credentials] == ["https://elsewhere/id"]
    [shown, _] = view_of(opened).open
    assert [(each.shown, each.url) for each in shown.credentials] == [
        (labels["program"], ""),
        (labels["credential"], ""),
    ]


def test_question_of_one_connection_offers_what_is_more_of_its_kind() -> None:
    """Chosen: an operator who sees one often means all of them."""
    ada = User.objects.create_user("ada")
    given = row(
        user=str(ada.pk),
        credential="token 7",
        program="phone",
        running=["tool:hold", "ping", "tool:hold"],
    )
    rows = view_of(worker(1, open=[given])).open

    choices = choices_for(End("connection", "w1:1"), rows)

    assert [(str(choice.end), choice.label) for choice in choices] == [
        ("connection:w1:1", "This one alone, and the session that it belongs to"),
        (f"user:{ada.pk}", "All that is open of ada"),
        ("credential:token 7", "All that was opened with the credential token 7"),
        ("program:phone", "All that phone has opened, of all users"),
        ("feature:shop/tool:hold", "All calls of shop/tool:hold, of all users"),
    ]
    assert all(End.read(str(choice.end)) == choice.end for choice in choices)
