"""The instructions of each client, filled in for servers of any name and URL."""

from __future__ import annotations

import ast
import base64
import json
import shlex
import tomllib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.pages.clients import (
    WORDS,
    Client,
    Step,
    Target,
    Way,
    all_clients,
    find_client,
)
from mcp_django.pages.toml import write_toml

URL = "https://shop.example/it's/$HOME/`id`/{token}/a&b;c\"d"
TITLE = "<b>Bob's “shop” & more</b>"
TOKEN = "mcp_secret'$\""
HOSTILE = Target(
    "a.b_c-d", TITLE, URL, TOKEN, command=("/my dir/python", "it's.py", "--user", "{x}")
)

each_client = pytest.mark.parametrize("client", all_clients(), ids=lambda c: c.name)
each_way = pytest.mark.parametrize("way", Way)


def test_clients_that_people_have_are_there() -> None:
    """We promise it."""
    assert [client.name for client in all_clients()] == [
        *("claude", "claude-code", "chatgpt", "vscode", "cursor", "codex", "gemini"),
        *("opencode", "windsurf", "jetbrains", "sdk", "stdio"),
    ]
    assert find_client("nobody") is None


@each_client
def test_client_says_when_it_was_looked_up_and_where(client: Client) -> None:
    """Chosen: instructions age, and their reader can look for newer ones."""
    assert client.checked.year >= 2026
    assert urlsplit(client.source).scheme == "https"
    assert client.doubt in ("", *WORDS)
    assert client.can(Way.OAUTH)
    assert client.can(Way.OPEN)


def test_what_is_said_in_words_can_be_translated() -> None:
    """Chosen: names of products stay as they are, and all else is listed."""
    said = {c.title for c in all_clients()} | {c.doubt for c in all_clients()}

    assert set(WORDS) <= said


@each_client
@each_way
def test_all_that_is_filled_in_can_be_read_again(client: Client, way: Way) -> None:
    """We promise it: shells, JSON, TOML, Python and links give back what was put in."""
    steps = client.steps(HOSTILE, way)

    assert bool(steps) == client.can(way)
    assert not (steps and steps[0].is_instead)
    texts = [text for step in steps for text in _texts_of(step)]
    if steps and way is Way.LOCAL:
        assert set(HOSTILE.command) <= set(texts)
    elif steps:
        assert any(URL in text for text in texts)
    if way is not Way.LOCAL:
        assert not any("/my dir" in text for text in texts)


def _texts_of(step: Step) -> list[str]:
    """Give what the program that reads a step finds in it."""
    if step.href:
        return _values(_query_of(step.href))
    if step.code.startswith("{"):
        return _values(json.loads(step.code))
    if step.code.startswith("["):
        return _values(tomllib.loads(step.code))
    if step.code.startswith("import "):
        nodes = ast.walk(ast.parse(step.code))
        return [str(n.value) for n in nodes if isinstance(n, ast.Constant)]
    if step.code == URL:
        return [URL]
    return shlex.split(step.code)


def _query_of(link: str) -> Any:
    """Read the link as its program does: of JSON, or of fields, some in base64."""
    query = urlsplit(link).query
    if query.startswith("%7B"):
        return json.loads(unquote(query))
    fields = {name: value for name, [value] in parse_qs(query).items()}
    if "config" in fields:
        fields["config"] = json.loads(base64.b64decode(fields["config"]))
    return fields


def _values(content: Any) -> list[str]:
    match content:
        case dict():
            return [text for pair in content.items() for text in _values(list(pair))]
        case list():
            return [text for item in content for text in _values(item)]
    return [str(content)]


@each_client
def test_no_link_has_the_token(client: Client) -> None:
    """We promise it: links are kept in histories, and sent on to other programs."""
    links = [step.href for step in client.steps(HOSTILE, Way.TOKEN) if step.href]

    assert not any("mcp_secret" in text for link in links for text in _texts(link))


def _texts(link: str) -> list[str]:
    return _values(_query_of(link))


def test_links_are_those_that_the_programs_know() -> None:
    """Their documentation says so, which `clients.toml` names."""
    target = Target("shop", "The shop", "https://shop.example/mcp")

    def link(name: str) -> str:
        client = find_client(name)
        assert client is not None
        return client.steps(target, Way.OAUTH)[0].href

    assert link("claude") == (
        "https://claude.ai/customize/connectors?modal=add-custom-connector"
        "&connectorName=The%20shop&connectorUrl=https%3A%2F%2Fshop.example%2Fmcp"
    )
    assert unquote(link("vscode")) == (
        'vscode:mcp/install?{"name":"shop","type":"http",'
        '"url":"https://shop.example/mcp"}'
    )
    begin = "cursor://anysphere.cursor-deeplink/mcp/install?name=shop&config="
    assert link("cursor").startswith(begin)
    config = base64.b64decode(unquote(link("cursor").removeprefix(begin)))
    assert json.loads(config) == {"url": "https://shop.example/mcp"}


@pytest.mark.parametrize(
    ("name", "key"),
    [("shop", "shop"), ("my.shop", "my-shop"), ("--x", "x"), ("...", "mcp")],
)
def test_name_in_a_configuration_is_one_that_every_program_takes(
    name: str, key: str
) -> None:
    """Chosen: no option of a command, and no character that some refuse."""
    assert Target(name, name, "https://shop.example/mcp").key == key


@pytest.mark.parametrize("way", [Way.OPEN, Way.OAUTH, Way.TOKEN])
def test_program_imports_what_is_there(way: Way) -> None:
    """Chosen: SDKs change, too."""
    client = find_client("sdk")
    assert client is not None
    [step] = client.steps(HOSTILE, way)
    imports = [line for line in step.code.splitlines() if "import " in line]

    exec("\n".join(imports), {})


_TABLES: Any = st.recursive(
    st.text(),
    lambda values: st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _TABLES, max_size=3))
def test_toml_of_any_texts_is_read_as_it_was(table: dict[str, Any]) -> None:
    """Spec: TOML 1.0, "Keys", "String" and "Table"."""
    assert tomllib.loads(write_toml(table)) == table
