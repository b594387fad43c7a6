"""What the lists of a server are like, in a few characters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from mcp_django import Server
from mcp_django.server.fingerprints import changed_since, fingerprint_of

Change = Callable[[Server], object]


def make_server(*changes: Change) -> Server:
    """Make a server with a feature of each kind, and more."""
    server = Server("shop", title="Shop")
    server.tool(name="ship", description=_("Ship."), meta={"tags": {"a", "b", "c"}})(
        lambda: None
    )
    server.resource("shop://a", name="a")(lambda: "a")
    server.prompt(name="greet")(lambda: "Hello.")
    for change in changes:
        change(server)
    return server


def nothing() -> None:
    """Do nothing."""


def test_fingerprint_is_that_of_the_features_whatever_their_order() -> None:
    """Our choice: modules may be imported in another order."""
    first = make_server(lambda s: s.tool(name="x")(nothing))
    second = Server("other", title="Another", instructions="Else.")
    second.tool(name="x")(nothing)
    for part in ("tools", "resources", "prompts"):
        getattr(second, part).update(getattr(make_server(), part))
    assert fingerprint_of(first) == fingerprint_of(second)
    assert len(fingerprint_of(first)) == 20


@pytest.mark.usefixtures("german")
def test_fingerprint_is_of_no_language() -> None:
    """Our choice: it is made in whatever request comes first."""
    with translation.override("de"):
        german = fingerprint_of(
            make_server(
                lambda s: s.tool(name="x", description=_("Bake a loaf."))(nothing)
            )
        )
    with translation.override("en"):
        english = fingerprint_of(
            make_server(
                lambda s: s.tool(name="x", description=_("Bake a loaf."))(nothing)
            )
        )
    assert german == english


@pytest.mark.parametrize(
    ("change", "topics"),
    [
        (lambda s: s.tool(name="new")(nothing), ["tools"]),
        (lambda s: s.tools.pop("ship"), ["tools"]),
        (lambda s: s.resource("shop://b")(lambda: "b"), ["resources"]),
        (lambda s: s.resource("shop://{b}")(lambda b: b), ["resources"]),
        (lambda s: s.prompt(name="new")(lambda: "x"), ["prompts"]),
        (lambda s: s.around(nothing), []),
    ],
)
def test_lists_that_changed_are_told_apart(change: Change, topics: list[str]) -> None:
    """Our choice: what is shown counts, and nothing else."""
    known = fingerprint_of(make_server())
    assert changed_since(known, fingerprint_of(make_server(change))) == topics


@pytest.mark.parametrize(
    "given",
    [
        {"description": _("Send.")},
        {"title": "Ship"},
        {"input_schema": {"type": "object", "properties": {"a": {}}}},
        {"permission": "shop.ship"},
        {"read_only": True},
    ],
)
def test_every_part_of_what_is_shown_counts(given: Any) -> None:
    """Our choice: also lazy texts, and who may see it."""

    def make(given: Any) -> str:
        server = Server("shop")
        server.tool(name="t", **given)(lambda a=1: None)
        return fingerprint_of(server)

    assert changed_since(make({"description": _("Ship.")}), make(given)) == ["tools"]


def test_change_while_the_process_runs_is_noticed() -> None:
    """Our choice: `tools_changed()` and its like say so."""
    server = make_server()
    known = fingerprint_of(server)
    for topic, rest in (("tools", "ship"), ("resources", "shop://a")):
        del getattr(server, topic)[rest]
        getattr(server, f"{topic}_changed")()
        assert changed_since(known, fingerprint_of(server))[-1] == topic
    server.tool(name="new")(nothing)
    assert "tools" in changed_since(known, fingerprint_of(server))


def test_list_that_there_was_not_is_not_told_of() -> None:
    """Spec: 2025-11-25 basic/lifecycle: its capability was not declared."""
    server = Server("shop")
    server.tool(name="ship")(nothing)
    assert changed_since(fingerprint_of(server), fingerprint_of(make_server())) == [
        "tools"
    ]
    assert changed_since("", fingerprint_of(make_server())) == []


def test_text_that_cannot_be_made_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Our choice: no reason to refuse a session."""

    def fail() -> str:
        raise LookupError("no such route")

    server = Server("shop")
    server.tool(name="x", description=lazy(fail, str)())(nothing)
    assert fingerprint_of(server) == ""
    assert (
        "clients will not be told of changes by a deploy; mend the text that fails"
        in caplog.messages
    )


PROGRAM = """
import django
from django.conf import settings
settings.configure(SECRET_KEY="x")
django.setup()
from tests.server.test_fingerprints import fingerprint_of, make_server
print(fingerprint_of(make_server()))
"""


@pytest.mark.live
def test_fingerprint_is_the_same_in_every_process() -> None:
    """Our choice: sets have another order in each."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
