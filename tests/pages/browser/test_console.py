"""The console in Chromium: over each binding, in both eras, and when things end.

Each test also fails when the page broke its Content-Security-Policy, raised an error or
asked anything of another site (see `page`).
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.browser.console import Console, log_in

pytestmark = pytest.mark.live

WAYS = [
    ("streamable-http", "2026-07-28"),
    ("streamable-http", "2025-11-25"),
    ("sse", "2025-11-25"),
    ("websocket", "2026-07-28"),
    ("websocket", "2025-11-25"),
]


@pytest.mark.parametrize(("binding", "version"), WAYS)
def test_everything_works_over_each_binding(
    console: Console, binding: str, version: str
) -> None:
    """We promise it: lists, calls, questions, progress, cancel, log and changes."""
    console.open(binding, version)
    page = console.page
    page.get_by_label("Log from").select_option("debug")

    expect(console.button("turn")).to_have_count(0)
    console.button("Load more").click()
    expect(console.button("turn")).to_be_visible()
    expect(console.button("Load more")).to_have_count(0)

    console.call("add", a=2, b=40)
    expect(console.outcome).to_contain_text("42")
    expect(console.outcome).to_contain_text("Answered")

    console.call("wish")
    expect(console.dialog).to_contain_text("What shall it be?")
    console.dialog.get_by_label("Color").fill("blue")
    console.dialog.get_by_label("Count").fill("3")
    console.button("Send").click()
    expect(console.outcome).to_contain_text("3 in blue")

    console.call("visit")
    expect(console.dialog).to_contain_text("https://example.com/look")
    console.button("Decline").click()
    expect(console.outcome).to_contain_text("not visited")

    console.call("think")
    expect(console.dialog).to_contain_text("What is six times seven?")
    console.dialog.get_by_label("Answer").fill("42, of course")
    console.button("Send").click()
    expect(console.outcome).to_contain_text("The model says: 42, of course")

    console.call("folders")
    console.dialog.get_by_role("textbox").fill("file:///home/me\nfile:///srv")
    console.button("Send").click()
    expect(console.outcome).to_contain_text("file:///home/me, file:///srv")

    console.call("wait")
    expect(page.locator(".mcp-progress")).to_contain_text("A quarter is done 1 / 4")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 1)
    expect(console.notices).to_contain_text("waiting begins")
    console.button("Cancel").click()
    expect(console.outcome).to_contain_text("Cancelled")

    console.button("How often it was turned").click()
    console.button("Tell me of changes").click()
    expect(console.button("Tell me no more")).to_be_visible()
    console.call("turn")
    expect(console.notices).to_contain_text("Resource bench://count has changed.")


def test_lists_change_while_they_are_looked_at(console: Console) -> None:
    """We promise it: what is new comes by itself."""
    console.open()
    console.page.get_by_label("Filter by name").fill("grown")
    console.call("grow")

    expect(console.notices).to_contain_text("Tools have changed")
    expect(console.button("grown")).to_have_count(0)
    console.button("Load more").click()
    expect(console.button("grown")).to_be_visible()


def test_resources_templates_and_prompts_are_asked_for(console: Console) -> None:
    """We promise it: each kind of feature, by what its form was filled with."""
    console.open()

    console.button("How often it was turned").click()
    console.button("Read").click()
    expect(console.outcome).to_contain_text("bench://count")

    console.share("templates", "bench://drawers/{number}", number="7")
    console.button("Read").click()
    expect(console.outcome).to_contain_text("drawer 7")

    console.share("prompts", "praise", color="red")
    console.button("Get").click()
    expect(console.outcome).to_contain_text("Praise red.")


def test_shared_call_fills_in_the_form_and_calls_nothing(console: Console) -> None:
    """We promise it: a link that acted would be a forged request."""
    console.open()
    console.share("tools", "quote", text="said by a link")
    console.button("Copy a link to this call").click()
    expect(console.page.locator(".mcp-call")).to_contain_text("The link is in the")
    link = console.page.evaluate("navigator.clipboard.readText()")

    console.page.goto("about:blank")
    console.page.goto(link)
    expect(console.status).to_contain_text("Not connected")
    console.connect("websocket")
    expect(console.page.locator(".mcp-call")).to_contain_text("A link has filled in")
    expect(console.page.locator(".mcp-messages")).not_to_contain_text("tools/call")
    console.button("Call").click()
    expect(console.outcome).to_contain_text("said by a link")


def test_link_to_nothing_is_said(console: Console) -> None:
    """We promise it: what is not here is not shown, and named as the text it is."""
    console.visit()
    console.page.evaluate("location.hash = 'tools=%3Cb%3Enone'")
    console.connect("streamable-http")

    expect(console.notices).to_contain_text("no feature that is here: <b>none")


def test_hostile_text_is_shown_and_never_run(console: Console) -> None:
    """We promise it: of descriptions, results and messages alike."""
    console.open()
    console.call("hostile")
    expect(console.outcome).to_contain_text("Answered")
    summaries = console.page.locator(".mcp-messages summary")
    summaries.last.click()

    expect(console.page.locator(".mcp-described")).to_contain_text("<img src=x")
    expect(console.page.locator(".mcp-console img")).to_have_count(0)
    assert "broken" not in console.page.title()


def test_messages_are_filtered_and_copied_as_curl(console: Console) -> None:
    """We promise it: what was sent can be sent from a shell."""
    console.open()
    console.call("add", a=1)
    expect(console.outcome).to_contain_text("Answered")
    console.page.get_by_label("Filter messages").fill("tools/call")
    console.page.get_by_label("Direction").select_option("out")
    [message] = console.page.locator(".mcp-messages li").all()
    message.locator("summary").click()
    message.get_by_role("button", name="Copy as curl").click()
    expect(message).to_contain_text("Copied")
    command = console.page.evaluate("navigator.clipboard.readText()")

    assert command.startswith(f"curl -N '{console.endpoint}' \\\n")
    assert "-H 'Mcp-Name: add'" in command
    assert '"arguments":{"a":1}' in command


def test_logout_elsewhere_is_said_and_leads_back(console: Console) -> None:
    """We promise it: a session that ends while the page is open."""
    console.open("websocket")
    console.share("tools", "quote", text="kept")
    console.log_out_elsewhere()

    expect(console.status).to_contain_text("Your login to the site has ended")
    console.page.get_by_role("link", name="Log in again").click()
    log_in(console.page, "clerk")
    console.page.wait_for_url("**/bench/console/#tools=quote**")
    console.connect("websocket")
    console.button("Call").click()
    expect(console.outcome).to_contain_text("kept")


def test_refusal_of_a_token_is_said(console: Console) -> None:
    """We promise it: what the server says, and no silence."""
    console.visit()
    console.page.get_by_text("Token, instead of your login").first.click()
    console.page.locator("input[type=password]").fill("mcp_wrong")
    console.button("Connect").click()

    expect(console.status).to_contain_text("The server refuses the connection")
    expect(console.button("Connect again")).to_be_visible()
