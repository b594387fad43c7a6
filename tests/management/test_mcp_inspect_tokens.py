"""`manage.py mcp_inspect --tokens`."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from mcp_django import Server
from mcp_django.switches.switching import switch_off
from tests.site import mcp


def inspect(*arguments: str) -> tuple[str, str]:
    """Run the command, and give what it writes to standard output and error."""
    output, errors = StringIO(), StringIO()
    call_command("mcp_inspect", "--tokens", *arguments, stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


def test_each_feature_has_its_price_the_dearest_first() -> None:
    """Chosen: what is dear is what to shorten."""
    shown, errors = inspect()

    assert (
        shown
        == """\
Server  site  2.1.0  Test site

Tools
  NAME         TOKENS
  add               64
  hold              42
  count_users       37
  name_user         35
  fail              34

Resources and templates
  URI                  TOKENS
  site://about              24
  site://pages/{slug}       21

Prompts
  NAME   TOKENS
  greet       32

In all
  WHAT                                   TOKENS
  instructions                                 3
  5 tools                                    212
  in each conversation                       215
  resources and prompts, when asked for       77

Tokens are estimated, at 4 bytes each: in English a sum may be 20 % off, one feature \
40 %; other languages more.
"""
    )
    assert errors == ""


def test_json_has_the_same_prices() -> None:
    """Chosen: for a program that watches them."""
    shown, _ = inspect("--json")

    [site] = json.loads(shown)["servers"]
    assert [tool["tokens"] for tool in site["tools"]] == [64, 35, 42, 34, 37]
    assert site["tokens"] == {
        "instructions": 3,
        "tools": 212,
        "standing": 215,
        "others": 77,
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_server_beyond_common_limits_is_warned_of(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: on standard error, so that JSON stays JSON; it is no failure."""
    large = Server("large")
    for number in range(41):
        large.tool(name=f"tool_{number}", description="x" * 2500)(lambda: None)
    monkeypatch.setattr(mcp, "large", large, raising=False)

    _, errors = inspect("--server", "large", *options)

    too_many, too_long = errors.splitlines()
    assert too_many.startswith(
        "WARNING: server 'large' has 41 tools; some clients take 40 at most"
    )
    assert too_long.startswith(
        "WARNING: server 'large' costs about 26,773 tokens in each conversation; "
        "beyond 25,000 some clients warn"
    )


@pytest.mark.django_db
def test_what_is_switched_off_is_shown_and_not_added() -> None:
    """Chosen: no model reads it, until it is on again."""
    switch_off("tool", "add")

    shown, _ = inspect()

    assert "  add                  64\n  (switched off)\n" in shown
    assert "  4 tools                                    148\n" in shown
