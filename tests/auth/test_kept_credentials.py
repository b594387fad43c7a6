"""Credentials that are kept for a while, as the endpoints take them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Response, request, site
from tests.consumers.credentials import cookie_of, token_of
from tests.consumers.streamable import call_of, post_modern

REVOKED = "UPDATE mcp_tokens_token SET revoked_at = '2026-01-01'"
DEACTIVATED = "UPDATE auth_user SET is_active = false"


@pytest.fixture
async def kept(settings: Settings, ada: User) -> AsyncIterator[dict[str, str]]:
    """Give Ada's credential, which the worker has seen and keeps."""
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": 30}
    worker = current_worker()
    await worker.relay.open()
    headers = await token_of(ada)
    assert (await ask(headers)).status == 200
    yield headers
    await worker.relay.close()


async def ask(headers: dict[str, str], tool: str = "name_user") -> Response:
    """Call a tool of the site."""
    return await post_modern(call_of(tool), application=site, headers=headers)


async def run(function: Callable[[], object]) -> None:
    """Do what other code of the site does."""
    await authentication_threads.run(function)


async def run_sql(statement: str) -> None:
    """Change the database, and tell nobody."""

    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    await run(execute)


@pytest.mark.parametrize("statement", [REVOKED, DEACTIVATED])
async def test_nothing_is_kept_by_default(
    settings: Settings, ada: User, statement: str
) -> None:
    """We promise it: whatever ends a credential counts from the next message on."""
    headers = await token_of(ada)
    assert (await ask(headers)).status == 200
    await run_sql(statement)
    assert (await ask(headers)).status == 401


async def test_kept_credential_is_not_looked_up(kept: dict[str, str]) -> None:
    """Chosen: what SQL does is seen when the time is over."""
    await run_sql(REVOKED)
    response = await ask(kept)
    assert response.json()["result"]["content"][0]["text"] == "ada"
    other = {"authorization": kept["authorization"][:-1] + "_"}
    assert (await ask(other)).status == 401


async def test_credential_is_kept_for_one_script_name(kept: dict[str, str]) -> None:
    """Chosen: of the same path another one makes another endpoint."""
    await run_sql(REVOKED)
    for root_path, status in (("", 415), ("/elsewhere", 401), ("", 415)):
        response = await request(
            site, "POST", "/mcp", headers=kept, root_path=root_path
        )
        assert response.status == status


def save_inactive() -> None:
    user = User.objects.get()
    user.is_active = False
    user.save()


ENDS: dict[str, Callable[[], object]] = {
    "command": lambda: call_command("mcp_token", "revoke", str(Token.objects.get().pk)),
    "token revoked": lambda: Token.objects.get().revoke(),
    "tokens updated": lambda: Token.objects.update(revoked_at=timezone.now()),
    "user's tokens updated": lambda: User.objects.get().mcp_tokens.update(
        expires_at=timezone.now()
    ),
    "token deleted": lambda: Token.objects.get().delete(),
    "tokens deleted": lambda: Token.objects.all().delete(),
    "user deactivated": save_inactive,
    "user deleted": lambda: User.objects.all().delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_end_that_is_told_counts_at_once(
    kept: dict[str, str], end: Callable[[], object]
) -> None:
    """We promise it of the commands and the models."""
    await run(end)
    assert (await ask(kept)).status == 401


def give_to_eve() -> None:
    token = Token.objects.get()
    token.user = User.objects.create_user("eve")
    token.save()


GIFTS: dict[str, Callable[[], object]] = {
    "saved": give_to_eve,
    "updated": lambda: Token.objects.update(user=User.objects.create_user("eve")),
}


@pytest.mark.parametrize("give", GIFTS.values(), ids=GIFTS.keys())
async def test_token_that_is_given_to_another_user_is_that_users_at_once(
    kept: dict[str, str], give: Callable[[], object]
) -> None:
    """We promise it: who had it acts no more by it."""
    await run(give)
    response = await ask(kept)
    assert response.json()["result"]["content"][0]["text"] == "eve"


def rename() -> None:
    token = Token.objects.get()
    token.name = "Desktop"
    token.save(update_fields=["name"])


HARMLESS: dict[str, Callable[[], object]] = {
    "renamed": rename,
    "used": lambda: Token.objects.update(last_used_at=None),
    "another one": lambda: Token.issue(User.objects.get(), "another one"),
    "somebody else's": lambda: Token.issue(User.objects.create_user("eve"), "e")[
        0
    ].revoke(),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
async def test_change_that_ends_nothing_is_not_told(
    kept: dict[str, str], change: Callable[[], object]
) -> None:
    """Chosen: else what is kept would be forgotten each time that it is used."""
    await run_sql(REVOKED)
    await run(change)
    assert (await ask(kept)).status == 200


async def test_rights_count_at_once(kept: dict[str, str]) -> None:
    """We promise it: who asks is kept, and not what that user may do."""
    await run_sql(REVOKED)
    staff = "staff"

    def may() -> None:
        group = Group.objects.create(name=staff)
        group.permissions.add(Permission.objects.get(codename="view_user"))
        group.user_set.add(User.objects.get())

    def may_not() -> None:
        Group.objects.get(name=staff).delete()

    assert "error" in (await ask(kept, "count_users")).json()
    await run(may)
    assert "result" in (await ask(kept, "count_users")).json()
    await run(may_not)
    assert "error" in (await ask(kept, "count_users")).json()


async def test_login_is_not_kept(kept: dict[str, str], ada: User) -> None:
    """We promise it: a logout counts at once, with every session engine."""
    cookie = await cookie_of(ada)
    assert (await ask(cookie)).status == 200
    await run_sql(DEACTIVATED)
    assert (await ask(cookie)).status == 401
    assert (await ask(kept)).status == 200
