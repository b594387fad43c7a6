"""The admin pages of what the servers offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydantic import BaseModel, Field

from mcp_django import Server
from mcp_django.audit.models import Entry
from mcp_django.server.switched_off import switched_off
from mcp_django.switches.models import MAX_WHY, Switch
from mcp_django.switches.switching import switch_off
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers import streamable
from tests.consumers.conftest import door
from tests.consumers.connections import open_stream
from tests.consumers.shop import server
from tests.pages.admin.staff import make_staff
from tests.site import mcp as module
from tests.site.mcp import Door

__all__ = ["door"]

pytestmark = pytest.mark.django_db

LIST = "/admin/mcp_pages/feature/"
HOSTILE = "<script>alert(1)</script>"

shop = Server("shop", title=f"The shop {HOSTILE}", instructions="Sell and refund.")


class Address(BaseModel):
    """Where something goes."""

    street: str
    country: Annotated[str, Field(max_length=2)] = "de"


@shop.tool(permission="auth.view_user", destructive=True, timeout=90)
def refund(order: int, to: Address | None = None) -> list[Address]:
    """Pay back <b>all</b> of an order.

    Args:
        order: Its number.
    """
    return []


@shop.tool(name="..")
def dots() -> None: ...


@shop.resource("shop://orders/{number}", mime_type="text/plain")
def order(number: int) -> str:
    """An order."""
    return str(number)


@shop.completion("shop://orders/{number}", "number")
def complete_number(value: str) -> list[str]:
    """Suggest numbers."""
    return []


@pytest.fixture(autouse=True)
def with_shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the project have one more server, and other tests find everything on."""
    monkeypatch.setattr(module, "shop", shop, raising=False)
    yield
    switched_off.set(())


def staff_with(*permissions: str) -> Client:
    """Log in a user of the admin who sees the page, and may do what is said."""
    client = Client()
    client.force_login(make_staff("view_feature", *permissions))
    return client


def page_of(id: str) -> str:
    """Give the address of a feature's page."""
    return f"{LIST}{quote(id)}/change/"


def text_of(client: Client, address: str) -> str:
    """Give a page that is shown."""
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def after_form(page: str) -> str:
    """Give what is in the form of the list."""
    return page.partition('<form method="post">')[2]


def said_to(client: Client, address: str, **posted: Any) -> str:
    """Press a button, and give the page that it leads to, with its messages."""
    response = client.post(address, posted, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@contextmanager
def without_others() -> Iterator[None]:
    """Uninstall the apps of the trail and of switches for a while."""
    others = ("mcp_django.audit", "mcp_django.switches")
    installed = [app for app in django_settings.INSTALLED_APPS if app not in others]
    admins = {
        model: type(admin.site.get_model_admin(model)) for model in (Entry, Switch)
    }
    admin.site.unregister(admins)
    try:
        with override_settings(INSTALLED_APPS=installed):
            yield
    finally:
        for model, model_admin in admins.items():
            admin.site.register(model, model_admin)


# What is shown ----------------------------------------------------------------------


def test_features_are_for_users_with_the_permission() -> None:
    """We promise it: they tell of what most users may not use."""
    user = User.objects.create_user("otto", password="otto", is_staff=True)
    client = Client()
    assert client.get(LIST).status_code == 302
    client.force_login(user)
    for address in (LIST, page_of("shop/tool:refund")):
        assert client.get(address).status_code == 403
    assert f'href="{LIST}"' not in text_of(client, "/admin/")


def test_list_has_all_features_of_all_servers() -> None:
    """We promise it: also what this user may not use; texts of others do nothing."""
    client = staff_with()
    assert f'href="{LIST}"' in text_of(client, "/admin/")

    page = text_of(client, LIST)

    assert page_of("shop/tool:refund") in page
    assert page_of("shop/tool:..") in page
    assert page_of("site/tool:count_users") in page
    assert "auth.view_user" in page
    assert "shop://orders/{number}" in page
    assert HOSTILE not in page
    assert "The shop &lt;script&gt;" in page
    assert "Pay back &lt;b&gt;all&lt;/b&gt; of an order." in page
    assert 'type="checkbox"' not in page  # as this user may switch nothing
    assert 'name="why"' not in page


def test_page_tells_all_of_a_tool() -> None:
    """We promise it: with members of members, and what is there without being sent."""
    page = text_of(staff_with(), page_of("shop/tool:refund"))

    assert "Pay back &lt;b&gt;all&lt;/b&gt; of an order." in page
    for said in (
        "<code>to.street</code>",
        "<code>[].country</code>",
        "<code>maxLength: 2</code>",
        "<code>array of object</code>",
        "Its number.",
        "may overwrite or delete",
        "auth.view_user",
        "mcp:write",
        f"{__name__}.refund",
        "90\N{NO-BREAK SPACE}s",
        "&quot;inputSchema&quot;: {",
    ):
        assert said in page
    assert "/console/" not in page  # the server has no URL


def test_page_leads_to_the_console_where_there_is_one() -> None:
    """We promise it: with the feature chosen there."""
    page = text_of(staff_with(), page_of("site/tool:add"))

    assert 'href="/mcp/console/#tools=add&amp;with=%7B%7D"' in page


def test_page_tells_all_of_a_template() -> None:
    """We promise it."""
    page = text_of(staff_with(), page_of("shop/resource:shop://orders/{number}"))

    for said in ("<code>number</code>", "text/plain", "integer", "suggested"):
        assert said in page


@pytest.mark.parametrize("id", ["shop/tool:..", "site/prompt:greet"])
def test_every_feature_has_a_page(id: str) -> None:
    """We promise it: whatever its name would mean in a path."""
    client = staff_with()
    assert page_of(id) in text_of(client, LIST)
    assert f"<code>{id}</code>" in text_of(client, page_of(id))


def test_feature_that_is_not_there_leads_back_to_the_list() -> None:
    """Chosen, as the admin does for rows."""
    client = staff_with()

    response = client.get(page_of("shop/tool:sell"), follow=True)

    assert response.redirect_chain == [(LIST, 302)]
    assert "There is no feature “shop/tool:sell”" in response.content.decode()


def test_list_is_sorted_by_what_the_address_says() -> None:
    """Chosen: what is expensive first; else as it was registered."""
    client = staff_with()
    order = ["shop/tool:refund", "shop/tool:.."]

    def found(address: str) -> list[str]:
        page = text_of(client, address)
        return sorted(order, key=lambda id: page.index(page_of(id)))

    assert found(LIST) == found(f"{LIST}?o=tokens") == found(f"{LIST}?o=x") == order
    assert found(f"{LIST}?o=name") == order[::-1]


def test_list_warns_of_what_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """We promise it: beyond 40 tools, and beyond 25,000 tokens."""
    large = Server("large", instructions="long " * 25_000)
    for number in range(41):
        large.tool(name=f"tool_{number}")(lambda: "")
    client = staff_with()
    before = text_of(client, LIST)
    monkeypatch.setattr(module, "shop", large)

    page = text_of(client, LIST)

    assert 'class="warning"' not in before
    assert "41 tools are more than 40" in page
    assert "tokens are more than 25,000" in page
    switch_off("tool", "tool_0", server="large")
    assert "41 tools" not in text_of(client, LIST)


def test_site_without_servers_is_told_how_to_have_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """We promise it: nothing to show says what to do."""
    monkeypatch.setattr(module, "shop", Server("bare"))
    client = staff_with()
    assert "It has no features yet" in text_of(client, LIST)

    for name, value in list(vars(module).items()):
        if isinstance(value, Server):
            monkeypatch.setattr(module, name, None)
    assert "No app of this site has a server yet" in text_of(client, LIST)


# How it was used --------------------------------------------------------------------


def test_use_is_shown_to_users_who_see_the_audit_trail() -> None:
    """We promise it: in the list and on the page, for the last thirty days."""
    Entry.objects.bulk_create(
        Entry(
            time=timezone.now() - timedelta(days=days),
            server="shop",
            method="tools/call",
            feature_kind="tool",
            feature="refund",
            outcome=outcome,
            seconds=0.2,
        )
        for days, outcome in ((1, "answered"), (2, "failed"), (29, "refused"), (31, ""))
    )
    client = staff_with("view_entry")

    assert ">3</td>" in text_of(client, LIST)
    page = text_of(client, page_of("shop/tool:refund"))
    assert "<dt>Calls</dt><dd>3</dd>" in page
    assert "<dt>Failed</dt><dd>1</dd>" in page
    trail = "?server=shop&amp;feature_kind=tool&amp;feature=refund&amp;period=month"
    assert f"/admin/mcp_audit/entry/{trail}" in page
    assert "It was not used." in text_of(client, page_of("shop/tool:.."))

    User.objects.get().user_permissions.remove(
        Permission.objects.get(codename="view_entry")
    )
    assert "Calls" not in text_of(client, LIST)
    assert "audit trail" not in text_of(client, page_of("shop/tool:refund"))


def test_list_asks_the_database_as_often_for_many_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """We promise it: once for all of them."""
    client = staff_with("view_entry", "add_switch")

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            text_of(client, LIST)
        return len(queries)

    before = count()
    large = Server("large")
    for number in range(30):
        large.tool(name=f"tool_{number}")(lambda: "")
    monkeypatch.setattr(module, "shop", large)
    assert count() == before


# Switches ---------------------------------------------------------------------------


def test_feature_is_switched_off_and_on_on_its_page() -> None:
    """We promise it: with a reason, and in the admin's history."""
    client = staff_with("add_switch", "delete_switch")
    page = page_of("shop/tool:refund")
    assert 'name="end_calls"' not in text_of(client, page)

    said = said_to(client, page, off="1", why="It pays <i>twice</i>.")

    assert "Switched off: shop/tool:refund." in said
    assert "It pays &lt;i&gt;twice&lt;/i&gt;." in said
    [switch] = Switch.objects.all()
    assert (switch.kind, switch.name, switch.server) == ("tool", "refund", "shop")
    assert (switch.why, switch.by) == ("It pays <i>twice</i>.", "olga")
    assert "Off: <bdi>It pays &lt;i&gt;" in text_of(client, LIST)
    assert "Nothing had to be switched." in said_to(client, page, off="1")

    assert "Switched on: shop/tool:refund." in said_to(client, page, on="server")
    assert not Switch.objects.exists()
    assert [e.action_flag for e in LogEntry.objects.order_by("pk")] == [1, 3]


def test_several_features_are_switched_in_the_list() -> None:
    """We promise it: what is chosen, and no other."""
    client = staff_with("add_switch", "delete_switch")
    chosen = ["shop/tool:refund", "shop/resource:shop://orders/{number}", "no/tool:x"]
    assert "Choose features first." in said_to(client, LIST, off="1")

    said = said_to(client, LIST, off="1", why="closed", feature=chosen)

    both = ", ".join(chosen[:2])
    assert f"Switched off: {both}." in said
    assert "There is no feature “no/tool:x”, or not any more." in said
    assert Switch.objects.filter(why="closed").count() == 2
    assert f"Switched on: {both}." in said_to(client, LIST, on="server", feature=chosen)
    assert not Switch.objects.exists()


def test_what_is_off_for_all_servers_is_switched_on_by_its_own_button() -> None:
    """Chosen: a button of one server does not reach into others unseen."""
    client = staff_with("delete_switch")
    page = page_of("shop/tool:refund")
    switch_off("tool", "refund")
    switch_off("tool", "refund", server="shop")
    assert "Switch on, on all servers" in text_of(client, page)

    said = said_to(client, LIST, on="server", feature=["shop/tool:refund"])

    assert "Still off, for all servers or for one: shop/tool:refund." in said
    assert [switch.server for switch in Switch.objects.all()] == [""]
    assert "Switched on: shop/tool:refund." in said_to(client, page, on="all")
    assert not Switch.objects.exists()


def test_what_is_off_and_not_here_is_told() -> None:
    """We promise it: another process may have it, or it is misspelled."""
    client = staff_with("view_switch")
    switch_off("tool", "refund")
    assert "not in this list" not in text_of(client, LIST)
    switch_off("tool", "refnud", server="shop")
    page = text_of(client, LIST)
    assert "not in this list" in page
    found = "/admin/mcp_switches/switch/?q=refnud"
    assert f'<a href="{found}"><bdi>shop/tool:refnud</bdi>' in page
    User.objects.get().user_permissions.remove(
        Permission.objects.get(codename="view_switch")
    )
    assert found not in text_of(client, LIST)


@pytest.mark.parametrize(
    ("right", "refused"), [("add_switch", "on"), ("delete_switch", "off")]
)
def test_to_switch_off_and_on_are_two_rights(right: str, refused: str) -> None:
    """We promise it: those of the switches."""
    client = staff_with(right)
    switch_off("tool", "refund", server="shop")
    for id, address in (("..", LIST), ("refund", LIST), ("", page_of("shop/tool:.."))):
        posted = {refused: "server", "feature": [f"shop/tool:{id}"]}
        assert client.post(address, posted).status_code == 403
    assert f'name="{refused}"' not in text_of(client, LIST)
    assert Switch.objects.count() == 1


def test_reason_that_is_too_long_is_refused() -> None:
    """We promise it: the form says so, and nothing is switched."""
    client = staff_with("add_switch")
    for address in (LIST, page_of("shop/tool:refund")):
        posted = {"off": "1", "why": "x" * (MAX_WHY + 1), "feature": "shop/tool:refund"}
        said = said_to(client, address, **posted)
        assert "at most 1000 characters (it has 1001)" in said
        if address == LIST:  # and what was chosen stays so
            assert re.findall(r'value="([^"]+)" checked', said) == ["shop/tool:refund"]
            assert said.index('class="errornote"') < said.index("<form method=")
    assert not Switch.objects.exists()


async def test_calls_that_run_are_ended_by_users_who_may(
    monkeypatch: pytest.MonkeyPatch, door: Door, ada: User
) -> None:
    """We promise it: as `mcp_switch off --end` does."""
    monkeypatch.setattr(module, "shop", server)
    _, token = await sync_to_async(Token.issue)(ada, "laptop")
    user = await sync_to_async(make_staff)("view_feature", "add_switch", "end_live")
    client = AsyncClient()
    await client.aforce_login(user)
    headers = {"authorization": f"Bearer {token}"}
    async with open_stream(streamable.shop, headers=headers) as stream:
        await stream.initialize()
        await stream.post(streamable.call_of("hold", door="here"))
        await streamable.arrival(door)

        posted = {"off": "1", "end_calls": "on", "feature": "shop/tool:hold"}
        response = await client.post(LIST, posted, follow=True)

        assert "1 call was ended." in response.content.decode()
        told = [await stream.read_message() for _ in range(2)]
        methods = [message.get("method") for message in told]
        assert "notifications/tools/list_changed" in methods
        answer = told[methods.index(None)]
        assert answer["error"]["message"] == "the request was ended by an operator"
    await current_worker().close_all()


def test_post_by_no_button_changes_nothing() -> None:
    """We promise it: browsers press the first button at Enter in a check box."""
    client = staff_with("add_switch", "delete_switch")
    first, *_others = re.findall("<button[^>]*>", after_form(text_of(client, LIST)))
    assert first == '<button type="submit" hidden>'
    said_to(client, LIST, feature="shop/tool:refund")
    assert not Switch.objects.exists()


# What is not installed, or not migrated ---------------------------------------------


def test_pages_show_what_the_installed_apps_know() -> None:
    """We promise it: nothing breaks without the others."""
    client = staff_with("view_entry", "add_switch")
    with without_others():
        page = text_of(client, LIST)
        assert "Pay back" in page
        assert "Calls" not in page
        assert 'type="checkbox"' not in page
        page = text_of(client, page_of("shop/tool:refund"))
        assert "Pay back" in page
        assert "Switch" not in page
        posted = {"off": "1", "feature": "shop/tool:refund"}
        assert client.post(LIST, posted).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_what_migrations_have_to_make_is_said() -> None:
    """We promise it: which command to run, in place of a failure."""
    client = staff_with()
    call_command("migrate", "mcp_switches", "zero", verbosity=0)
    try:
        page = client.get(LIST, follow=True).content.decode()
    finally:
        call_command("migrate", "mcp_switches", verbosity=0)
    assert "The database lacks migrations: run migrate first." in page
