"""`manage.py mcp_call`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, execute_from_command_line
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    ElicitRequestFormParams,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)
from pydantic import BaseModel, Field

from mcp_django import Context, Server, ToolError
from mcp_django.management.arguments import read_arguments
from mcp_django.management.forms import Form
from mcp_django.protocol.jsonrpc import JSONObject
from tests.live import processes
from tests.site import mcp

calls = Server("calls")


class Color(Enum):
    """An enumeration, which schemas refer to."""

    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """An object."""

    x: int
    y: float = 0


@calls.tool
def take(
    text: str = "",
    count: int = 0,
    ratio: float = 0.5,
    is_new: bool = False,
    names: list[str] | None = None,
    point: Point | None = None,
    color: Color = Color.RED,
    either: int | str = 0,
    level: Annotated[int, Field(ge=1, le=5)] = 1,
    kind: Literal["a", "b"] = "a",
) -> dict[str, Any]:
    """Take one of each.

    This is in nobody's list.
    """
    return {
        "text": text,
        "count": count,
        "ratio": ratio,
        "is_new": is_new,
        "names": names,
        "point": None if point is None else point.model_dump(),
        "color": color.value,
        "either": either,
        "level": level,
        "kind": kind,
    }


@calls.tool
def need(a: int, b: int) -> int:
    """Need two numbers."""
    return a + b


@calls.tool
async def show() -> list[
    TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource
]:
    """Return all kinds of content."""
    data = b64encode(b"12345").decode()
    return [
        TextContent(text="first\nsecond \x1b[2J"),
        ImageContent(data=data, mime_type="image/png"),
        AudioContent(data=data, mime_type="audio/wav"),
        ResourceLink(name="note", uri="test://note"),
        EmbeddedResource(resource=TextResourceContents(uri="test://a", text="abc")),
        EmbeddedResource(resource=BlobResourceContents(uri="test://b", blob=data)),
    ]


@calls.tool
def fail() -> str:
    """Fail."""
    raise ToolError("The shop is closed.")


@calls.tool
async def climb(context: Context) -> str:
    """Report progress, and log."""
    await context.report_progress(1, 4, "base\x1b camp")
    await context.log("debug", "a detail")
    await context.log("info", {"height": 1})
    await context.report_progress(2, 4)
    await context.report_progress(3)
    return "on top"


class Order(BaseModel):
    """A form."""

    name: str = Field(min_length=2, description="Who gets it")
    count: int = Field(default=1, ge=1, title="How many")
    price: float
    gift: bool
    size: Literal["s", "m"] = "m"
    note: str | None = None


@calls.tool
async def order(context: Context) -> str:
    """Ask for a form."""
    answer = await context.elicit("What \x1b[2Jdo you want?", Order)
    return answer.data.model_dump_json() if answer.accepted else answer.action


@calls.tool
async def choose(context: Context) -> str:
    """Ask with a schema of its own."""
    schema = {
        "type": "object",
        "properties": {
            "old": {"type": "string", "enum": ["r", "b"], "enumNames": ["Red", "Blue"]},
            "one": {
                "type": "string",
                "oneOf": [{"const": "x", "title": "The X"}, {"const": "y"}],
            },
            "many": {
                "type": "array",
                "items": {"type": "string", "enum": ["p", "q", "r"]},
            },
            "mail": {"type": "string", "format": "email"},
        },
        "required": ["old", "one", "many"],
    }
    answer = await context.elicit("Choose.", schema)
    return json.dumps(answer.data)


@calls.tool
async def visit(context: Context) -> str:
    """Ask to visit a page."""
    return (await context.elicit_url("Pay.", "https://shop.example/pay")).action


@calls.tool
async def name_user(context: Context) -> str:
    """Name the user."""
    return context.user.get_username()


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server be found as one of the project's."""
    monkeypatch.setattr(mcp, "calls", calls, raising=False)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@dataclass
class Streams:
    """What a command reads and writes."""

    stdin: io.StringIO = field(default_factory=io.StringIO)
    stdout: io.StringIO = field(default_factory=io.StringIO)
    stderr: io.StringIO = field(default_factory=io.StringIO)

    def call(self, *arguments: str, **options: Any) -> str:
        """Run the command, and give what it wrote to standard output."""
        call_command(
            "mcp_call",
            *arguments,
            stdin=self.stdin,
            stdout=self.stdout,
            stderr=self.stderr,
            **options,
        )
        return self.stdout.getvalue()

    def error_of(self, *arguments: str, **options: Any) -> str:
        """Run the command, which has to fail, and give what it says."""
        with pytest.raises(CommandError) as caught:
            self.call(*arguments, **options)
        assert caught.value.returncode == 1
        assert self.stdout.getvalue() == ""
        return str(caught.value)


def at_terminal(*lines: str) -> Streams:
    """Make the streams of a person who writes these lines, and then ends the input."""
    typed = Terminal("".join(f"{line}\n" for line in lines))
    return Streams(typed, Terminal(), Terminal())


# Tools and arguments -----------------------------------------------------------------


def test_tools_are_listed_with_the_first_line_of_their_descriptions() -> None:
    """Chosen: what a person wants to see at once."""
    lines = Streams().call("calls").splitlines()
    assert lines[:3] == [
        "take       Take one of each.",
        "need       Need two numbers.",
        "show       Return all kinds of content.",
    ]


def test_server_without_tools_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen: standard output stays empty."""
    monkeypatch.setattr(mcp, "empty", Server("empty"), raising=False)
    streams = Streams()
    assert streams.call("empty") == ""
    assert streams.stderr.getvalue() == "The server has no tools.\n"


def test_arguments_are_read_by_their_schema() -> None:
    """Chosen: texts as they are, all else as JSON."""
    given = [
        "text=3 = three",
        "count=3",
        "ratio=2",
        "is_new=true",
        'names=["ann", "bob"]',
        'point={"x": 1}',
        "color=blue",
        "either=7",
        "level=5",
        "kind=b",
    ]
    assert json.loads(Streams().call("calls", "take", *given, "--json")) == {
        "text": "3 = three",
        "count": 3,
        "ratio": 2,
        "is_new": True,
        "names": ["ann", "bob"],
        "point": {"x": 1, "y": 0},
        "color": "blue",
        "either": 7,
        "level": 5,
        "kind": "b",
    }
    other = ["text=", "either=seven", "names=null"]
    taken = json.loads(Streams().call("calls", "take", *other, "--json"))
    assert (taken["text"], taken["either"], taken["names"]) == ("", "seven", None)


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("take", ["count"], "'count' is no argument; write key=value"),
        ("take", ["=1"], "'=1' is no argument; write key=value"),
        ("take", ["count=1", "count=2"], "argument 'count' is given twice"),
        (
            "take",
            ["count=three"],
            "argument 'count' must be integer, not 'three'; write it as JSON, such as "
            "count=3",
        ),
        (
            "take",
            ["is_new=yes"],
            "argument 'is_new' must be boolean, not 'yes'; write it as JSON, such as "
            "is_new=true",
        ),
        (
            "take",
            ["names=ann"],
            "argument 'names' must be array of string | null, not 'ann'; write it as "
            "JSON, such as names=[1, 2]",
        ),
        ("take", ["level=9"], "argument 'level': 9 is greater than the maximum of 5"),
        ("take", ["kind=c"], "argument 'kind': 'c' is not one of ['a', 'b']"),
        ("need", ["a=1"], "tool 'need' needs 'b'; add b=..."),
        ("need", ["c=1"], "tool 'need' has no parameter 'c'; it has 'a', 'b'"),
        ("fail", ["c=1"], "tool 'fail' has no parameter 'c'; it has none at all"),
        ("need", ["a=1.5", "b=1"], "argument 'a' must be integer, not '1.5'; "),
    ],
)
def test_argument_that_does_not_fit_is_explained(
    tool: str, given: list[str], expected: str
) -> None:
    """Chosen: the parameter, what was given, and what would be right."""
    assert Streams().error_of("calls", tool, *given).startswith(expected)


def test_unknown_tool_is_explained() -> None:
    """Chosen: with those that there are."""
    text = Streams().error_of("calls", "nonsense")
    assert text.startswith("the server has no tool 'nonsense'; it has 'take', 'need', ")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_alone_it_asks_for_the_server_only(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Chosen: a tool and its arguments may be left out."""
    with pytest.raises(SystemExit):
        execute_from_command_line(["manage.py", "mcp_call", *options])

    assert capsys.readouterr().err.endswith(
        "error: the following arguments are required: SERVER\n"
    )


def test_options_may_stand_between_the_arguments() -> None:
    """Chosen: wherever a person thinks of them."""
    given = ["calls", "--json", "take", "--timeout", "5", "text=the", "count=2"]
    taken = json.loads(Streams().call(*given))
    assert (taken["text"], taken["count"]) == ("the", 2)
    lines = Streams().call("--timeout", "5", "calls").splitlines()
    assert lines[0] == "take       Take one of each."


def read(schema: JSONObject, *given: str) -> JSONObject:
    tool = Tool(name="t", input_schema={"type": "object", **schema})
    return read_arguments(tool, given)


A: JSONObject = {"properties": {"a": {}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        A | {"additionalProperties": True},
        A | {"additionalProperties": {"type": "integer"}},
        A | {"additionalProperties": False, "patternProperties": {"x": {}}},
        A | {"anyOf": [{"properties": {"x": {}}}]},
        A | {"$ref": "#/$defs/x", "$defs": {"x": {}}},
    ],
)
def test_tool_that_takes_more_than_it_lists_is_given_it(schema: JSONObject) -> None:
    """Chosen: JSON Schema allows what is not forbidden."""
    assert read(schema, "x=1") == {"x": 1}


@pytest.mark.parametrize("schema", [{"additionalProperties": False}, A])
def test_parameter_that_is_likely_a_slip_is_refused(schema: JSONObject) -> None:
    """Chosen: where some are listed, and nothing says that there are more."""
    with pytest.raises(CommandError, match="has no parameter 'x'"):
        read(schema, "x=1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NaN", "argument 'n' must be number, not 'NaN'; "),
        ("-Infinity", "argument 'n' must be number, not '-Infinity'; "),
        ("1e400", "argument 'n': '1e400' has a number that is too large"),
        ("[1e400]", "argument 'n': '[1e400]' has a number that is too large"),
    ],
)
def test_number_that_json_cannot_carry_is_refused(text: str, expected: str) -> None:
    """Chosen: it would be sent as null."""
    with pytest.raises(CommandError) as caught:
        read({"properties": {"n": {"type": "number"}}}, f"n={text}")
    assert str(caught.value).startswith(expected)


def test_schema_that_cannot_be_used_is_left_to_the_server() -> None:
    """Chosen: whatever it does to the library that reads it."""
    assert read({"$ref": "#"}, "x=1") == {"x": 1}
    slow = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    with pytest.raises(CommandError, match="does not match"):
        read(slow, "x=" + "a" * 40 + "!")


def test_form_is_not_frozen_by_its_schema() -> None:
    """Chosen: numbers that JSON cannot carry are asked for again, too."""
    lines, told = iter(["a" * 40 + "!", "aa", "nan", "1e400", "2"]), list[str]()
    fields = {
        "a": {"type": "string", "pattern": "^(a+)+$"},
        "n": {"type": "number", "minimum": "no number"},
    }
    schema = {"type": "object", "properties": fields}
    params = ElicitRequestFormParams(message="?", requested_schema=schema)
    answer = Form(lambda prompt: next(lines), told.append).answer(params)
    assert answer.content == {"a": "aa", "n": 2}
    assert "JSON has no 'nan'" in told
    assert "JSON has no '1e400'" in told


# Results -----------------------------------------------------------------------------


def test_content_is_shown_as_text_and_what_is_none_in_a_line() -> None:
    """Chosen: what a program reads is as the server sent it."""
    assert Streams().call("calls", "show") == (
        "first\nsecond \x1b[2J\n"
        "[image: image/png, 5 bytes]\n"
        "[audio: audio/wav, 5 bytes]\n"
        "[link: note, test://note]\n"
        "[resource: test://a, 3 characters]\n"
        "[resource: test://b, 5 bytes]\n"
    )
    [first, *_] = json.loads(Streams().call("calls", "show", "--json"))
    assert first == {"type": "text", "text": "first\nsecond \x1b[2J"}


def test_terminal_is_shown_no_control_characters() -> None:
    """Chosen: a server must not clear the screen, or worse."""
    streams = at_terminal()
    assert "second ?[2J\n" in streams.call("calls", "show")


def test_tool_that_fails_fails_the_command() -> None:
    """Chosen: status 1, and the text for the model on standard error."""
    assert Streams().error_of("calls", "fail") == "The shop is closed."


@pytest.mark.django_db(transaction=True)
def test_server_of_the_project_is_called_as_a_user() -> None:
    """Chosen: `--user`; nobody without it."""
    get_user_model().objects.create_user("ann")
    assert Streams().call("calls", "name_user", "--user", "ann") == "ann\n"
    assert Streams().call("calls", "name_user") == "\n"
    text = Streams().error_of("calls", "name_user", "--user", "bob")
    assert text == "no user 'bob'; pass --user with a username"


# Progress, log, questions ------------------------------------------------------------


def test_progress_and_log_are_shown_at_a_terminal() -> None:
    """Chosen: one line that is drawn anew; the log stands above it."""
    streams = at_terminal()
    assert streams.call("calls", "climb") == "on top\n"
    drawn = streams.stderr.getvalue()
    half = "[############            ]  50% 2/4"
    assert "\r[######                  ]  25% 1/4  base? camp" in drawn
    assert f"\r{half}" in drawn
    assert f"\r{'3'.ljust(len(half))}" in drawn
    assert 'info: {"height": 1}\n' in drawn
    assert "a detail" not in drawn
    assert drawn.startswith("\rconnecting to calls\rcalling climb")
    assert drawn.endswith("\r")


def test_progress_is_not_drawn_where_nobody_looks() -> None:
    """Chosen: files get the log only; more or less of it by `--verbosity`."""
    streams = Streams()
    streams.call("calls", "climb")
    assert streams.stderr.getvalue() == 'info: {"height": 1}\n'
    streams = Streams()
    streams.call("calls", "climb", verbosity=2)
    assert streams.stderr.getvalue().startswith("debug: a detail\n")
    streams = Streams()
    streams.call("calls", "climb", verbosity=0)
    assert streams.stderr.getvalue() == ""


def test_form_is_filled_in_field_by_field() -> None:
    """Spec: 2025-11-25 client/elicitation; what does not fit is asked again."""
    streams = at_terminal(
        "x", "Ann", "0", "many", "", "", "9.5", "perhaps", "YES", "l", "1", ""
    )
    assert json.loads(streams.call("calls", "order")) == {
        "name": "Ann",
        "count": 1,
        "price": 9.5,
        "gift": True,
        "size": "s",
        "note": None,
    }
    shown = streams.stderr.getvalue()
    # What was drawn is gone before that.
    assert " \rThe server asks: " in shown
    assert "The server asks: What ?[2Jdo you want?\n" in shown
    for line in (
        "- Who gets it [string]",
        "'x' is too short",
        "How many [integer, may be left out, default 1]",
        "0 is less than the minimum of 1",
        "'many' is no integer",
        "this one is needed",
        "answer yes or no",
        "  1. s\n",
        "'l' is none of these; give a number or a value",
    ):
        assert line in shown


def test_choices_are_given_by_number_value_or_title() -> None:
    """Spec: 2025-11-25 client/elicitation, "Supported Schema Types"."""
    streams = at_terminal("Blue", "y", "1, r", "ann@example.com")
    assert json.loads(streams.call("calls", "choose")) == {
        "old": "b",
        "one": "y",
        "many": ["p", "r"],
        "mail": "ann@example.com",
    }
    shown = streams.stderr.getvalue()
    assert "  1. r (Red)\n  2. b (Blue)\n" in shown
    assert "  1. x (The X)\n" in shown
    assert "mail [email, may be left out]\n" in shown


def test_end_of_input_declines() -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    assert at_terminal("Ann").call("calls", "order") == "decline\n"
    assert at_terminal().call("calls", "visit") == "decline\n"
    streams = at_terminal("")
    assert streams.call("calls", "visit") == "accept\n"
    assert "It wants you to visit https://shop.example/pay\n" in (
        streams.stderr.getvalue()
    )


def test_nobody_is_asked_where_nobody_sits() -> None:
    """Chosen: the server is told that it cannot ask."""
    text = Streams().error_of("calls", "order")
    assert "'elicitation.form'" in text


# Servers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            "ftp://a.example",
            "'ftp://a.example' is no URL of a server; ",
        ),
        ("http://", "'http://' is no URL of a server"),
        ("http://[", "'http://[' is no URL: Invalid IPv6 URL"),
        ("", "SERVER is empty; give a URL, a name or a command"),
        ("'", '"\'" is no command: No closing quotation'),
        (
            "no-such-program --now",
            "cannot start 'no-such-program': No such file or directory; install it, or "
            "pass its full path; it is none of this project's servers either: "
            "['calls', 'site']",
        ),
    ],
)
def test_server_that_is_none_is_explained(server: str, expected: str) -> None:
    """Chosen: what it may be is said."""
    assert Streams().error_of(server).startswith(expected)


def test_user_is_for_servers_of_the_project() -> None:
    """Chosen: elsewhere nobody would believe it."""
    text = Streams().error_of("https://a.example/mcp", "--user", "ann")
    assert text.startswith("--user is for servers of this project, ['calls', 'site']")


@pytest.mark.parametrize(
    ("headers", "token", "expected"),
    [
        ("{", "", "MCP_HEADERS is no JSON: "),
        ("[1]", "", "MCP_HEADERS must be a JSON object of names and texts"),
        ('{"a": 1}', "", "MCP_HEADERS must be a JSON object of names and texts"),
        ('{"a b": "1"}', "", "MCP_TOKEN or MCP_HEADERS: header 'a b' has characters"),
        ("", "a\nb", "MCP_TOKEN or MCP_HEADERS: header 'Authorization' has characters"),
    ],
)
def test_wrong_environment_is_explained_and_not_shown(
    headers: str, token: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: secrets come from the environment; what is wrong with them is said."""
    monkeypatch.setenv("MCP_HEADERS", headers)
    monkeypatch.setenv("MCP_TOKEN", token)
    assert Streams().error_of("http://a.example/mcp").startswith(expected)


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_wrong_timeout_is_refused(seconds: str) -> None:
    """Chosen: none of these is a time to wait."""
    text = Streams().error_of("calls", "--timeout", seconds)
    assert "is no time in seconds" in text


def test_answer_that_does_not_come_is_waited_for_so_long() -> None:
    """Chosen: `--timeout`."""
    door = mcp.Door()
    mcp.doors["late"] = door
    try:
        text = Streams().error_of("site", "hold", "door=late", "--timeout", "0.2")
    finally:
        del mcp.doors["late"]
        door.open()
    assert text.startswith("the server did not answer 'tools/call' within 0.2 seconds")


def test_command_runs_in_a_process_and_says_by_its_status_how_it_went(
    tmp_path: Path,
) -> None:
    """Chosen: 0 and the result, or 1 and the reason on standard error."""
    stdio = f"{sys.executable} -m mcp_django stdio"
    settings = "tests.conformance.settings"
    server = f"env DJANGO_SETTINGS_MODULE={settings} {stdio}"
    command = [sys.executable, "manage.py", "mcp_call", "--settings", settings, server]
    environment = processes.environment(
        {"CONFORMANCE_DATABASE": str(tmp_path / "site.sqlite3")}
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=processes.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    done = run("add", "a=2", "b=3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")
    done = run("test_error_handling")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "CommandError: This tool intentionally returns an error for testing\n"
    )
