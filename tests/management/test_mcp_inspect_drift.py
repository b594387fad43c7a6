"""`manage.py mcp_inspect --record` and `--check`."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mcp_django import Server
from mcp_django.management.drift import Difference
from mcp_django.management.drift_in_words import write_differences
from tests.site import mcp

SAME = 0
DRIFTED = 1
UNUSABLE = 2


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command; give its exit status, and standard output and error."""
    output, errors = StringIO(), StringIO()
    try:
        call_command("mcp_inspect", *map(str, arguments), stdout=output, stderr=errors)
    except CommandError as error:
        return error.returncode, output.getvalue(), str(error)
    return SAME, output.getvalue(), errors.getvalue()


def make_shop(version: str = "1") -> Server:
    server = Server("shop", version=version, instructions="Look before you order.")

    @server.tool(permission="shop.view_order")
    def find_orders(status: str, limit: int = 10) -> list[str]:
        """Find orders by their status, the newest first, without those of others."""
        return [status] * limit

    @server.tool
    def refund(order: int) -> None:
        """Pay back."""

    return server


def make_changed_shop() -> Server:
    server = Server("shop", instructions="Look, and then pay.")

    @server.tool(permission="shop.change_order")
    def find_orders(status: str, limit: int = 20, page: int = 1) -> list[str]:
        """Find orders by their status, the oldest first, without those of others."""
        return [status] * limit * page

    @server.prompt
    def advise() -> str:
        """Advise."""
        return ""

    return server


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give the project a second server."""
    server = make_shop()
    monkeypatch.setattr(mcp, "shop", server, raising=False)
    return server


@pytest.fixture
def path(tmp_path: Path, shop: Server) -> Path:
    """Give a file with what both servers offer."""
    path = tmp_path / "recorded.json"
    assert run("--record", path) == (
        SAME,
        f"Recorded in {path}: 10 features of 2 servers.\n",
        "",
    )
    return path


def test_what_was_recorded_is_found_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: a new version, or order of features, is no drift."""
    shop = make_shop(version="2")
    shop.tools = dict(reversed(shop.tools.items()))
    monkeypatch.setattr(mcp, "shop", shop)

    assert run("--check", path) == (SAME, f"Everything is as recorded in {path}.\n", "")


def test_file_is_the_same_each_time_and_ends_with_a_line(path: Path) -> None:
    """Chosen: it is kept with the code, and read in reviews."""
    before = path.read_bytes()
    run("--record", path)

    assert path.read_bytes() == before
    assert before.endswith(b"}\n")
    servers = json.loads(before)["servers"]
    assert [server["name"] for server in servers] == ["shop", "site"]
    assert servers[0]["tools"][1] == {
        "name": "refund",
        "description": "Pay back.",
        "inputSchema": {
            "type": "object",
            "properties": {"order": {"type": "integer"}},
            "required": ["order"],
            "additionalProperties": False,
        },
        "permission": None,
        "scopes": ["mcp:write"],
    }


def test_each_difference_is_shown_where_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: as a person would say it, with the exit status 1."""
    monkeypatch.setattr(mcp, "shop", make_changed_shop())

    assert run("--check", path) == (
        DRIFTED,
        """\
Server shop
  ~ what it says of itself
      instructions was "Look before you order.", is "Look, and then pay."
      loginScopes was ["mcp:write"], is ["mcp:read", "mcp:write"]
  ~ tool find_orders
      description
        - Find orders by their status, the newest first, without those of others.
        + Find orders by their status, the oldest first, without those of others.
      inputSchema.properties.limit.default was 10, is 20
      inputSchema.properties.page is new: {"default": 1, "type": "integer"}
      permission was "shop.view_order", is "shop.change_order"
  - tool refund is gone
  + prompt advise is new
""",
        f"8 differences from {path}; if they are meant, record anew by "
        "`mcp_inspect --record`",
    )


def test_json_has_each_difference_with_its_values(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: for a program that knows which of them it minds."""
    monkeypatch.setattr(mcp, "shop", make_changed_shop())

    status, output, _ = run("--check", path, "--json", "--server", "shop")

    assert status == DRIFTED
    found: list[dict[str, Any]] = json.loads(output)["differences"]
    assert [(each["kind"], each["name"], each["at"]) for each in found] == [
        ("", "", "instructions"),
        ("", "", "loginScopes"),
        ("tool", "find_orders", "description"),
        ("tool", "find_orders", "inputSchema.properties.limit.default"),
        ("tool", "find_orders", "inputSchema.properties.page"),
        ("tool", "find_orders", "permission"),
        ("tool", "refund", ""),
        ("prompt", "advise", ""),
    ]
    assert found[3]["was"] == 10
    assert found[3]["now"] == 20
    assert "now" not in found[6]
    assert "was" not in found[7]


def test_one_server_may_be_checked_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: what is not asked for is neither gone nor new."""
    monkeypatch.setattr(mcp, "shop", make_changed_shop())

    status, output, _ = run("--check", path, "--server", "site")

    assert (status, output) == (SAME, f"Everything is as recorded in {path}.\n")


def test_server_that_is_gone_or_new_is_one_difference(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: what it had is not listed."""
    monkeypatch.delattr(mcp, "shop")
    monkeypatch.setattr(mcp, "store", Server("store"), raising=False)

    status, output, _ = run("--check", path)

    assert status == DRIFTED
    assert output == (
        "Server shop\n  - server shop is gone\n\n"
        "Server store\n  + server store is new\n"
    )


def test_values_that_only_python_takes_for_the_same_differ(path: Path) -> None:
    """Chosen: to a client `true` is not 1, and the order of members is nothing."""
    recorded = json.loads(path.read_text())
    refund = recorded["servers"][0]["tools"][1]
    refund["inputSchema"]["additionalProperties"] = 0
    refund["inputSchema"] = dict(reversed(refund["inputSchema"].items()))
    path.write_text(json.dumps(recorded))

    _, output, _ = run("--check", path)

    assert output == (
        "Server shop\n  ~ tool refund\n"
        "      inputSchema.additionalProperties was 0, is false\n"
    )


def test_lines_that_look_like_those_of_a_difference_are_shown() -> None:
    """We promise it: a text may begin with anything."""
    was, now = (f"Find orders.\n{rest}" for rest in ("-- all", "++ some\n@@"))
    long = "\n" + "Of all customers of the shop." * 3

    text = write_differences(
        [Difference("shop", "tool", "find", "description", was + long, now + long)]
    )

    assert text.splitlines()[-3:] == [
        "        - -- all",
        "        + ++ some",
        "        + @@",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "is no record: it is no text in UTF-8"),
        (b"{", "is no record: it is no JSON: "),
        (b"[" * 100_000, "is no record: it is nested too deeply"),
        (b"[]", "is no record: it has something else than `servers`"),
        (b'{"servers": [{"name": 7}]}', "is no record: it has something else"),
        (b'{"servers": [{"name": "a", "tools": 7}]}', "is no record: it has something"),
        (b'{"servers": [{"name": "a", "tools": ["b"]}]}', "is no record: it has"),
        (
            b'{"servers": [{"name": "a"}, {"name": "a"}]}',
            "is no record: 2 servers have the name 'a'",
        ),
    ],
)
def test_file_that_is_no_record_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    """Chosen: with another exit status than drift, so that CI can tell."""
    path = tmp_path / "recorded.json"
    path.write_bytes(content)

    status, output, errors = run("--check", path)

    assert (status, output) == (UNUSABLE, "")
    assert f"{str(path)!r} {says}" in errors


def test_mark_of_a_byte_order_is_no_part_of_a_record(path: Path) -> None:
    """Chosen: shells of Windows write one."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert run("--check", path)[0] == SAME


def test_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    """Chosen: what a pipeline gets wrong first."""
    absent = tmp_path / "absent" / "recorded.json"

    assert run("--check", absent) == (
        UNUSABLE,
        "",
        f"there is no file {str(absent)!r}; make it by `mcp_inspect --record`",
    )
    status, _, errors = run("--record", absent)
    assert status == UNUSABLE
    assert errors.startswith(f"{str(absent)!r} cannot be written: ")
    assert run("--check", tmp_path)[0] == UNUSABLE


def test_what_record_would_leave_out_of_account_is_refused(tmp_path: Path) -> None:
    """Chosen: nothing that is asked for is dropped."""
    path = tmp_path / "recorded.json"

    assert run("--record", path, "--json") == (
        UNUSABLE,
        "",
        "--record writes JSON to its file; leave out --json",
    )
    assert not path.exists()


def test_servers_of_one_name_cannot_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: they could not be told apart; a check complains of them, too."""
    monkeypatch.setattr(mcp, "second", Server("site"), raising=False)
    path = tmp_path / "recorded.json"

    status, _, errors = run("--record", path)

    assert status == UNUSABLE
    assert errors == "2 servers have the name 'site'; give them different ones"
    assert not path.exists()


def test_text_of_a_record_reaches_the_terminal_as_text(path: Path) -> None:
    """Chosen: a file may come from anywhere."""
    recorded = json.loads(path.read_text())
    recorded["servers"][0]["instructions"] = "\x1b[31m" + "red" * 30
    path.write_text(json.dumps(recorded))

    assert "\x1b" not in run("--check", path)[1]
