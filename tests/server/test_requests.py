"""One request: whose it is, what it is called, and what it brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mcp_django import Server
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.requests import Request
from mcp_django.transports.base import Sender
from tests.server.calls import LATEST, MODERN, Caller, Notebook


def request_of(
    sender: Sender | None = None, *, params: JSONObject | None = None, **options: Any
) -> Request:
    caller = Caller(Server("shop"), **options)
    caller.sender = sender or caller.sender
    return caller.request("tools/call", params)


@pytest.mark.parametrize(
    ("sender", "session", "owner"),
    [
        (Sender(SimpleNamespace(pk=7), {}), Notebook(id="a"), "7"),
        # Whom other transports name need not be a user of Django's.
        (Sender(SimpleNamespace(name="ann"), {}), Notebook(id="a"), "a"),
        (Sender(None, {"mcp-session-id": "b"}), None, "b"),
        (Sender(None, {}, address="192.0.2.1"), None, "192.0.2.1"),
        (Sender(None, {}), None, None),
    ],
)
def test_request_belongs_to_its_user_else_to_where_it_comes_from(
    sender: Sender, session: Notebook | None, owner: str | None
) -> None:
    """We chose it, so that no user takes all threads."""
    assert request_of(sender, session=session).owner == owner


def test_session_is_found_once_it_is_looked_at() -> None:
    """Our choice: few requests look at it."""
    found: list[Notebook] = []

    def find() -> Notebook:
        found.append(Notebook(id="a"))
        return found[-1]

    request = request_of()
    assert request.session is None
    request.find_session = find
    assert not found
    assert request.session is request.session is found[0]


@pytest.mark.parametrize(
    ("params", "described"),
    [
        ({"name": "ship"}, "tools/call 'ship'"),
        ({"uri": "shop://orders"}, "tools/call 'shop://orders'"),
        ({"name": "x" * 1000}, f"tools/call {'x' * 200!r}"),
        ({"name": 5}, "tools/call"),
        ({}, "tools/call"),
    ],
)
def test_request_is_described_in_few_words(params: JSONObject, described: str) -> None:
    """We chose it: it is for logs, and names may be as long as a message."""
    assert request_of(params=params).describe() == described


@pytest.mark.parametrize("member", ["inputResponses", "requestState"])
def test_request_that_brings_answers_is_a_retry_in_the_modern_era(member: str) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Basic Workflow"."""
    params: JSONObject = {"name": "ship", member: {}}

    assert request_of(version=MODERN, params=params).is_retry
    assert not request_of(version=MODERN, params={"name": "ship"}).is_retry
    assert not request_of(version=LATEST, params=params).is_retry


@pytest.mark.parametrize(("meta", "read"), [({"a": 1}, {"a": 1}), (5, {}), (None, {})])
def test_meta_is_an_object(meta: Any, read: JSONObject) -> None:
    """We chose it: what is no object says nothing."""
    assert request_of(params={"_meta": meta}).meta == read
