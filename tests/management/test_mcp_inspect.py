"""`manage.py mcp_inspect`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from io import StringIO
from typing import Any, Literal

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import override_settings
from django.utils import translation

from mcp_django import Server
from mcp_django.server.switched_off import switched_off
from mcp_django.switches.switching import switch_off
from tests import bakery
from tests.site import mcp

TABLE = """\
Server  site  2.1.0  Test site

Tools
  NAME         ARGUMENTS     RESULT   PERMISSION      SCOPES     DESCRIPTION
  add          a: integer    integer  -               mcp:read   Add two numbers.
               b?: integer
  name_user    -             -        -               mcp:write  Name the user who asks.
  hold         door: string  -        -               mcp:write  Wait at a door.
  fail         -             -        -               mcp:write  Raise what nobody expects.
  count_users  -             integer  auth.view_user  mcp:write  Count what only some may see.

Resources
  URI           TYPE        PERMISSION  SCOPES    DESCRIPTION
  site://about  text/plain  -           mcp:read  Say what this is.

Resource templates
  URI                  VARIABLES     TYPE  PERMISSION               SCOPES    DESCRIPTION
  site://pages/{slug}  slug: string  -     tests.site.mcp.is_staff  mcp:read  Read one page.

Prompts
  NAME   ARGUMENTS      PERMISSION  SCOPES    DESCRIPTION
  greet  name: string   -           mcp:read  Greet somebody.
         tone?: string

Completions
  OF     ARGUMENT
  greet  tone
"""  # noqa: E501


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give a second server, which is found like the first."""
    server = Server("other")
    monkeypatch.setattr(mcp, "other", server, raising=False)
    return server


def inspect(*arguments: str) -> str:
    """Run the command and return what it writes."""
    output = StringIO()
    call_command("mcp_inspect", *arguments, stdout=output)
    return output.getvalue()


def inspect_json(*arguments: str) -> Any:
    """Run the command with `--json` and return the list of servers."""
    described = json.loads(inspect("--json", *arguments))
    assert described.keys() == {"servers"}
    return described["servers"]


def test_table_shows_every_feature_in_the_order_of_registering() -> None:
    """Chosen: what a person wants to see at once."""
    assert inspect() == TABLE


def test_several_servers_are_shown_one_after_the_other(other: Server) -> None:
    """Chosen: a server without features has a title only."""
    assert inspect() == TABLE + "\nServer  other  1.0.0\n"


def test_one_server_may_be_named(other: Server) -> None:
    """Chosen: `--server`, as for mcp_stdio."""
    assert inspect("--server", "other") == "Server  other  1.0.0\n"
    assert [server["name"] for server in inspect_json("--server", "site")] == ["site"]


def test_unknown_server_is_refused_and_the_known_named(other: Server) -> None:
    """Chosen: a misspelled name must not look like an empty server."""
    with pytest.raises(CommandError) as caught:
        inspect("--server", "sight")

    assert str(caught.value) == ("there is no server 'sight'; there is 'site', 'other'")


@pytest.fixture
def without_servers() -> Iterator[None]:
    """Leave out the app that has one."""
    with override_settings(INSTALLED_APPS=["mcp_django"]):
        yield


@pytest.mark.usefixtures("without_servers")
def test_project_without_servers_is_told_so() -> None:
    """Chosen: the first thing a newcomer forgets is the mcp.py."""
    assert inspect() == "There are no servers: no app's mcp.py has made one.\n"
    assert inspect_json() == []
    with pytest.raises(CommandError) as caught:
        inspect("--server", "site")
    assert str(caught.value) == "there is no server 'site'; there is none at all"


def test_two_servers_of_one_name_are_both_shown(
    other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: a check complains of them, so they have to be seen."""
    monkeypatch.setattr(mcp, "third", Server("other", version="3"), raising=False)

    versions = [server["version"] for server in inspect_json("--server", "other")]
    assert versions == ["1.0.0", "3"]


def test_json_has_what_clients_see_and_what_they_do_not() -> None:
    """Chosen: complete schemas, permissions, and where the code is."""
    [site] = inspect_json()
    add, count_users = site["tools"][0], site["tools"][-1]
    no_arguments = {"type": "object", "properties": {}, "additionalProperties": False}

    assert {key: site[key] for key in ("name", "version", "title", "instructions")} == {
        "name": "site",
        "version": "2.1.0",
        "title": "Test site",
        "instructions": "Try things.",
    }
    assert site["scopes"].keys() == {"mcp:read", "mcp:write"}
    assert site["loginScopes"] == ["mcp:read", "mcp:write"]
    assert add["inputSchema"]["properties"]["b"] == {
        "type": "integer",
        "default": 1,
        "description": "The second.",
    }
    assert add["annotations"] == {"readOnlyHint": True}
    assert add["permission"] is None
    assert count_users == {
        "name": "count_users",
        "description": "Count what only some may see.",
        "inputSchema": no_arguments,
        "outputSchema": {"type": "integer"},
        "permission": "auth.view_user",
        "scopes": ["mcp:write"],
        "handler": "tests.site.mcp.count_users",
        "switchedOff": False,
    }
    assert site["resources"] == [
        {
            "uri": "site://about",
            "name": "about",
            "description": "Say what this is.",
            "mimeType": "text/plain",
            "permission": None,
            "scopes": ["mcp:read"],
            "handler": "tests.site.mcp.about",
            "switchedOff": False,
        }
    ]
    assert site["resourceTemplates"] == [
        {
            "uriTemplate": "site://pages/{slug}",
            "name": "page",
            "description": "Read one page.",
            "permission": "tests.site.mcp.is_staff",
            "scopes": ["mcp:read"],
            "handler": "tests.site.mcp.page",
            "switchedOff": False,
            "variables": {
                "type": "object",
                "properties": {"slug": {"type": "string"}},
                "required": ["slug"],
                "additionalProperties": False,
            },
        }
    ]
    assert [prompt["name"] for prompt in site["prompts"]] == ["greet"]
    assert site["completions"] == [
        {
            "of": "greet",
            "argument": "tone",
            "handler": "tests.site.mcp.complete_tone",
        }
    ]


def test_json_is_the_same_each_time_and_in_the_order_of_registering() -> None:
    """Chosen: two versions of a site can be compared by diff."""
    [site] = inspect_json()

    assert inspect("--json") == inspect("--json")
    names = [tool["name"] for tool in site["tools"]]
    assert names == ["add", "name_user", "hold", "fail", "count_users"]


class Color(Enum):
    """What a parameter may be."""

    RED = "red"
    BLUE = "blue"


def test_types_are_written_in_a_few_words(other: Server) -> None:
    """Chosen: the table is for people; `--json` has the schemas."""

    @other.tool(
        input_schema={
            "type": "object",
            "properties": {
                "anything": True,
                "constant": {"const": 1},
                "several": {"type": ["string", "null"]},
                "named": {"$ref": "#/$defs/Color"},
            },
            "$defs": {"Color": {"type": "string"}},
            "required": ["anything"],
        }
    )
    def verbatim(**arguments: Any) -> None:
        """Take what a verbatim schema says."""

    @other.tool
    def typed(
        color: Color,
        size: Literal["s", "l"],
        ids: list[int],
        mixed: list[int | str],
        rest: dict[str, float],
        maybe: bool | None = None,
    ) -> list[str]:
        return []

    assert inspect("--server", "other") == (
        "Server  other  1.0.0\n"
        "\n"
        "Tools\n"
        "  NAME      ARGUMENTS                           RESULT           PERMISSION"
        "  SCOPES     DESCRIPTION\n"
        "  verbatim  anything: any                       -                -         "
        "  mcp:write  Take what a verbatim schema says.\n"
        "            constant?: 1\n"
        "            several?: string | null\n"
        "            named?: Color\n"
        '  typed     color: "red" | "blue"               array of string  -         '
        "  mcp:write  -\n"
        '            size: "s" | "l"\n'
        "            ids: array of integer\n"
        "            mixed: array of (integer | string)\n"
        "            rest: object\n"
        "            maybe?: boolean | null\n"
    )


def test_long_descriptions_are_wrapped_and_end_with_their_first_paragraph(
    other: Server,
) -> None:
    """Chosen: the table stays a table."""

    @other.tool
    def talk() -> None:
        """Say a good many words, so that they do not fit into one line.

        Say even more.
        """

    assert inspect("--server", "other").endswith(
        "  NAME  ARGUMENTS  RESULT  PERMISSION  SCOPES     DESCRIPTION\n"
        "  talk  -          -       -           mcp:write  "
        "Say a good many words, so that they do not fit\n"
        "                                                  into one line.\n"
    )


def test_what_is_not_printable_does_not_reach_the_terminal(other: Server) -> None:
    """Chosen: descriptions may come from anywhere."""

    @other.tool(description="\x1b[31mred\x07")
    def paint() -> None: ...

    assert "  paint  -          -       -           mcp:write  ?[31mred?\n" in inspect()


@pytest.mark.django_db
def test_what_is_switched_off_is_marked() -> None:
    """Chosen: else nothing here would say why clients do not see it."""
    switch_off("tool", "hold")
    switch_off("resource", "site://about", server="site")
    switch_off("tool", "add", server="another")

    shown = inspect()
    [site] = inspect_json()

    assert "  hold            door: string  -" in shown
    assert "\n  (switched off)\n" in shown
    assert shown.count("(switched off)") == 2
    off = [tool["name"] for tool in site["tools"] if tool["switchedOff"]]
    assert off == ["hold"]
    assert [resource["switchedOff"] for resource in site["resources"]] == [True]


def test_database_that_does_not_say_what_is_off_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: all else is shown, and nothing is said of what is not known."""

    def refresh() -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(switched_off, "refresh", refresh)
    output, errors = StringIO(), StringIO()

    call_command("mcp_inspect", "--json", stdout=output, stderr=errors)

    assert errors.getvalue() == (
        "WARNING: the database does not say what is switched off: connection refused\n"
    )
    [site] = json.loads(output.getvalue())["servers"]
    assert {tool["switchedOff"] for tool in site["tools"]} == {None}


@pytest.mark.usefixtures("german")
def test_lazy_texts_are_shown_in_the_language_that_is_active(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: as a client would see them."""
    monkeypatch.setattr(mcp, "bakery", bakery.server, raising=False)
    with translation.override("de"):
        text, shown = (
            inspect("--server", "bakery"),
            inspect("--json", "--server", "bakery"),
        )
    assert "Server  bakery  1.0.0  Die Bäckerei" in text
    assert "Einen Laib backen." in text
    [described] = json.loads(shown)["servers"]
    assert described["instructions"] == "Frag zuerst nach Brot."
    assert described["tools"][0]["description"] == "Einen Laib backen."
    assert described["resourceTemplates"][0]["title"] == "Mehlsorte"
