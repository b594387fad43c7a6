"""Switching off and on: from code, at a terminal, and in the admin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from mcp_django import ErrorReceived, Server, ToolError
from mcp_django.server.switched_off import switched_off
from mcp_django.switches.models import Switch
from mcp_django.switches.switching import (
    aswitch_off,
    aswitch_on,
    switch_off,
    switch_on,
)
from mcp_django.testing import MCPClient
from tests.interaction.client import text_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/mcp_switches/switch/"
shop = Server("shop")


@shop.tool
def refund() -> str:
    """Pay back."""
    return "paid"


@shop.resource("shop://orders/{number}")
def order(number: int) -> str:
    """An order."""
    return str(number)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Let other tests find everything on."""
    yield
    switched_off.set(())


def called(server: Server = shop) -> str:
    """Call the tool that is switched, and give what its model reads."""
    try:
        return text_of(MCPClient(server).call_tool("refund"))
    except ToolError as error:
        return str(error)


def said_by(*command: str) -> str:
    """Run the command, and give what it writes."""
    out = StringIO()
    call_command("mcp_switch", *command, stdout=out, stderr=out)
    return out.getvalue()


# From code --------------------------------------------------------------------------


def test_feature_is_off_when_the_function_returns_and_on_again() -> None:
    """We promise it: in tests of a site within their transaction, too."""
    assert called() == "paid"
    assert switch_off("tool", "refund", server=shop, why="twice", by=User(username="a"))
    assert called().startswith("tool 'refund' is switched off by the operator")
    assert not switch_off("tool", "refund", server="shop")
    [switch] = Switch.objects.all()
    assert (switch.why, switch.by, switch.server) == ("twice", "a", "shop")
    assert not switch_on("tool", "refund")  # of all servers, which it is not off for
    assert switch_on("tool", "refund", server=shop)
    assert called() == "paid"


def test_feature_is_on_again_when_the_transaction_of_a_test_ends(
    django_db_blocker: DjangoDbBlocker,
) -> None:
    """We promise it: no test of a site sees what another one switched off."""
    for _ in range(2):
        with transaction.atomic():
            switch_off("tool", "refund")
            assert called() != "paid"
            transaction.set_rollback(True)
        with django_db_blocker.block():  # as in a test that may use no database
            assert called() == "paid"
        assert not switched_off.is_any


@pytest.mark.django_db(transaction=True)
async def test_async_code_switches_too() -> None:
    """We promise it."""
    assert await aswitch_off("resource", "shop://orders/{number}")
    assert await aswitch_on("resource", "shop://orders/{number}")
    assert not await aswitch_on("resource", "shop://orders/{number}")


def test_resource_that_is_off_is_not_found() -> None:
    """We promise it."""
    switch_off("resource", "shop://orders/{number}")
    with pytest.raises(ErrorReceived, match="it is switched off by the operator"):
        MCPClient(shop).read_resource("shop://orders/1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("template", "shop://orders/{number}"), "a template is a resource"),
        (("tool", ""), "name must be text of 1 to 500 characters, not ''"),
        (("tool", "a\0b"), "name must be text of 1 to 500 characters"),
        (("tool", "x" * 501), "name must be text of 1 to 500 characters"),
        (("tool", 5), "name must be text of 1 to 500 characters, not 5"),
    ],
)
def test_what_can_be_no_feature_is_refused(given: Any, said: str) -> None:
    """We promise it: with what was wrong, and what would be right."""
    with pytest.raises(ValueError, match=said):
        switch_off(*given)
    with pytest.raises(ValueError, match="server must be a Server or the name of one"):
        switch_on("tool", "refund", server=7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1001 characters; at most 1000 are kept"):
        switch_off("tool", "refund", why="x" * 1001)


# At a terminal ----------------------------------------------------------------------


def test_command_switches_off_lists_and_switches_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """We promise it."""
    monkeypatch.setenv("LOGNAME", "ops")
    assert said_by("list") == "Nothing is switched off.\n"
    assert said_by(
        "off", "tool", "add", "--server", "site", "--why", "wrong\nsums"
    ) == ("tool 'add' of server 'site' is switched off\n")
    assert (
        said_by("off", "tool", "add") == "tool 'add' of all servers is switched off\n"
    )
    assert said_by("off", "tool", "add").endswith("is switched off, as it was before\n")
    head, of_all, of_site = said_by("list").splitlines()
    assert head.split() == ["KIND", "NAME", "SERVER", "SINCE", "BY", "WHY"]
    assert of_all.split()[:3] == ["tool", "add", "(all)"]
    assert of_site.endswith("  ops  wrong?sums")
    first, second = json.loads(said_by("list", "--json"))["switchedOff"]
    assert first["server"] is None
    assert {key: second[key] for key in ("kind", "name", "server", "why", "by")} == {
        "kind": "tool",
        "name": "add",
        "server": "site",
        "why": "wrong\nsums",
        "by": "ops",
    }
    assert said_by("on", "tool", "add") == (
        "tool 'add' of all servers is on again\n"
        "still off: tool 'add' of server 'site'\n"
    )
    with pytest.raises(CommandError, match=r"but tool 'add' of server 'site' is$"):
        said_by("on", "tool", "add")
    said_by("on", "tool", "add", "--server", "site")
    with pytest.raises(CommandError, match=r"`mcp_switch list` shows what is$"):
        said_by("on", "tool", "add")


@pytest.mark.parametrize(
    ("given", "doubt"),
    [
        (("tool", "ad"), "no server of this project has a tool 'ad'; there is 'add'"),
        (
            ("tool", "ad", "--server", "site"),
            "server 'site' has no tool 'ad'; there is 'add'",
        ),
        (
            ("tool", "add", "--server", "sit"),
            "this project has no server 'sit'; there is 'site'",
        ),
    ],
)
def test_command_doubts_what_the_project_has_not(
    given: tuple[str, ...], doubt: str
) -> None:
    """We chose it: other processes may have it, but it is mostly misspelled."""
    said = said_by("off", *given)
    assert said.startswith(f"WARNING: {doubt}")
    assert "it is switched off all the same" in said
    assert Switch.objects.count() == 1


def ended_by(*command: str) -> str:
    """Run a command that cannot reach other processes, and give what it writes."""
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("mcp_switch", "off", *command, "--end", stdout=out, stderr=out)
    return out.getvalue()


def test_command_ends_calls_and_says_what_it_could_not_reach() -> None:
    """We promise it: more is never ended than was said, nor said than was ended."""
    said = ended_by("tool", "add")
    assert said.startswith(
        "tool 'add' of all servers is switched off\n0 calls of it were ended\nWARNING:"
    )
    assert "none has served" not in said
    with pytest.raises(CommandError, match="characters"):
        said_by("off", "tool", "x" * 600)


# In the admin -----------------------------------------------------------------------


def test_admin_switches_off_and_on(admin_client: Client, admin_user: User) -> None:
    """We promise it: with who did so, in the history that Django keeps."""
    form = admin_client.get(f"{ADMIN}add/").content.decode()
    assert '<option value="add">' in form
    added = {"kind": "tool", "name": "refund", "server": "", "why": "twice"}
    answer = admin_client.post(f"{ADMIN}add/", added, follow=True)
    [switch] = Switch.objects.all()
    assert (switch.by, switch.why) == (admin_user.username, "twice")
    assert "“refund” is not in this process." in answer.content.decode()
    assert called() != "paid"

    again = admin_client.post(f"{ADMIN}add/", added)
    assert "It is switched off already." in again.content.decode()
    page = f"{ADMIN}{switch.pk}/"
    admin_client.post(f"{page}change/", {**added, "name": "other", "why": "better"})
    assert list(Switch.objects.values_list("name", "why")) == [("refund", "better")]

    admin_client.post(f"{page}delete/", {"post": "yes"})
    assert called() == "paid"
    assert LogEntry.objects.count() == 3


def test_admin_asks_for_permissions(client: Client) -> None:
    """We promise it: to switch off and to switch on are two rights."""
    user = User.objects.create_user("ann", password="a", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_switch"))
    client.force_login(user)
    client.post(f"{ADMIN}add/", {"kind": "tool", "name": "add", "server": "site"})
    [switch] = Switch.objects.all()
    assert (
        client.post(f"{ADMIN}{switch.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    assert client.get(ADMIN).status_code == 403
