"""Scopes: declared, needed, and asked for before a handler runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ToolAnnotations

from mcp_django.auth.challenge_syntax import parse
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.exceptions import AuthenticationFailed, ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.scopes import parse_scopes
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.scopes import insufficient
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import subscribe
from mcp_django.transports.base import Sender
from tests.server.calls import LATEST, MODERN, Caller, Notebook

# Spec: RFC 6749, section 3.3.
ALLOWED = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\')
LEND = {"library:lend": "Borrow and return books"}


def caller_with(
    server: Server, scopes: Iterable[str] | None, version: str = LATEST
) -> Caller:
    """Call a server with a credential that allows so much."""
    session = Notebook() if version == LATEST else None
    caller = Caller(server, version=version, session=session)
    allowed = None if scopes is None else frozenset(scopes)
    caller.sender = Sender(AnonymousUser(), scopes=allowed)
    return caller


def library() -> Server:
    """Make a server with a feature of each kind, which note that they have run."""
    server = Server("library", scopes=LEND)

    @server.tool(read_only=True)
    def find() -> str:
        return "found"

    @server.tool
    def write() -> str:
        return "written"

    @server.tool(scope="library:lend")
    def lend() -> str:
        return "lent"

    @server.tool(scope=["library:lend", "mcp:read"])
    async def renew(context: Context) -> list[str]:
        return sorted(context.scopes or ["everything"])

    @server.tool(scope="library:lend")
    async def read_for_me(context: Context, uri: str) -> str:
        return str((await context.read_resource(uri))[0])

    @server.resource("library://stats")
    def stats() -> str:
        return "42"

    @server.resource("library://loans/{reader}", scope="library:lend")
    def loans(reader: str) -> str:
        return reader

    @server.prompt
    def recommend() -> str:
        return "Recommend"

    @server.prompt(scope="library:lend")
    def remind() -> str:
        return "Remind"

    return server


def call_of(tool: str, **arguments: Any) -> tuple[str, JSONObject]:
    return "tools/call", {"name": tool, "arguments": arguments}


def read_of(uri: str) -> tuple[str, JSONObject]:
    return "resources/read", {"uri": uri}


def prompt_of(name: str) -> tuple[str, JSONObject]:
    return "prompts/get", {"name": name}


NEEDS = [
    (call_of("find"), "mcp:read"),
    (call_of("write"), "mcp:write"),
    (call_of("lend"), "library:lend"),
    (call_of("renew"), "library:lend mcp:read"),
    (read_of("library://stats"), "mcp:read"),
    (read_of("library://loans/ada"), "library:lend"),
    (prompt_of("recommend"), "mcp:read"),
    (prompt_of("remind"), "library:lend"),
]


# Declaring ----------------------------------------------------------------------------


def test_each_server_has_the_two_scopes_of_reading_and_writing_in_words() -> None:
    """Chosen: so that every credential can be narrowed at once."""
    assert {name: str(words) for name, words in Server("x").scopes.items()} == {
        "mcp:read": "See everything that you can see",
        "mcp:write": "Act for you and change what you can change",
    }


def test_declared_scopes_follow_and_may_have_other_words() -> None:
    """Chosen: who knows the site says it best."""
    lazy = gettext_lazy("Look at the catalog")
    server = Server("x", scopes={**LEND, "mcp:read": lazy})

    assert list(server.scopes) == ["mcp:read", "mcp:write", "library:lend"]
    assert server.scopes["mcp:read"] is lazy


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        (["library:lend"], "scopes must be a dict"),
        ({"library lend": "Lend"}, "'library lend', which is no name of a scope"),
        ({'"': "Lend"}, "is no name of a scope"),
        ({"": "Lend"}, "is no name of a scope"),
        ({7: "Lend"}, "has 7, which is no name"),
        ({"library:lend": " "}, "is empty; say in words"),
        ({"library:lend": None}, "is empty; say in words"),
        ({"library:lend": 7}, "must be text, not 7"),
    ],
)
def test_scope_without_a_name_or_words_is_refused(scopes: Any, said: str) -> None:
    """Chosen: users are asked by these words."""
    with pytest.raises(ValueError, match=said) as caught:
        Server("x", scopes=scopes)

    assert str(caught.value).startswith("server 'x': ")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("", "has '', which is no name of a scope"),
        ("mcp:read library:lend", r"give several as a list, such as \['mcp:read', "),
        ([], "asks for nothing; leave it out for 'mcp:write'"),
        ((), "asks for nothing"),
        ([7], "has 7, which is no name"),
        (7, "must be the name of a scope"),
        ({"mcp:read": "x"}, "must be the name of a scope"),
        (b"mcp:read", "must be the name of a scope"),
        ("libary:lend", "does not have; declare it, as in Server"),
        (["mcp:read", "libary:lend"], "'libary:lend', which server 'library' does not"),
    ],
)
@pytest.mark.parametrize("kind", ["tool", "resource", "template", "prompt"])
def test_feature_with_what_is_no_scope_of_its_server_is_refused(
    kind: str, scope: Any, said: str
) -> None:
    """Chosen: a misspelt scope would keep every program out."""
    server = Server("library", scopes=LEND)
    register: dict[str, Callable[[], Any]] = {
        "tool": lambda: server.tool(scope=scope)(lambda_named("ship")),
        "resource": lambda: server.resource("x://y", scope=scope)(lambda_named("ship")),
        "template": lambda: server.resource("x://{z}", scope=scope)(with_z),
        "prompt": lambda: server.prompt(scope=scope)(lambda_named("ship")),
    }
    if kind != "tool":
        said = said.replace("mcp:write", "mcp:read")

    with pytest.raises(ValueError, match=said) as caught:
        register[kind]()

    shown = {"tool": "tool 'ship'", "prompt": "prompt 'ship'"}.get(kind, "resource '")
    assert str(caught.value).startswith(shown)


def lambda_named(name: str) -> Any:
    def function() -> str:
        return name

    function.__name__ = name
    return function


def with_z(z: str) -> str:
    return z


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, {"mcp:write"}),
        ({"read_only": False}, {"mcp:write"}),
        ({"destructive": False}, {"mcp:write"}),
        ({"read_only": True}, {"mcp:read"}),
        ({"annotations": {"readOnlyHint": True}}, {"mcp:read"}),
        ({"annotations": ToolAnnotations(read_only_hint=True)}, {"mcp:read"}),
        ({"annotations": {"title": "T"}}, {"mcp:write"}),
        ({"read_only": True, "scope": "library:lend"}, {"library:lend"}),
        ({"scope": ("mcp:read", "library:lend")}, {"mcp:read", "library:lend"}),
        ({"scope": iter(["mcp:read"])}, {"mcp:read"}),
    ],
)
def test_tool_needs_what_it_names_else_what_reading_or_writing_needs(
    options: Any, needed: set[str]
) -> None:
    """Chosen: as the hints say."""
    server = Server("library", scopes=LEND)
    server.tool(**options)(lambda_named("ship"))

    assert server.tools["ship"].scopes == needed


def test_public_resource_cannot_name_a_scope() -> None:
    """Chosen: caches would show it to programs without it."""
    with pytest.raises(ValueError, match="needs a scope, and cache_scope='public'"):
        Server("x").resource("x://y", cache_scope="public", scope="mcp:read")


def test_login_asks_for_what_the_features_need() -> None:
    """Chosen: there are programs that cannot ask for more later."""
    server = Server("library", scopes={**LEND, "library:burn": "Burn books"})
    assert server.login_scopes == []

    server.tool(read_only=True)(lambda_named("find"))
    assert server.login_scopes == ["mcp:read"]

    server.resource("x://y", scope="library:lend")(lambda_named("y"))
    assert server.login_scopes == ["library:lend", "mcp:read"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("mcp:read", ["mcp:read"]),
        (["mcp:write", "library:lend"], ["library:lend", "mcp:write"]),
        ([], []),
    ],
)
def test_login_asks_for_what_the_server_was_told(given: Any, found: list[str]) -> None:
    """Chosen: the rest is asked for when it is needed."""
    server = Server("library", scopes=LEND, login_scopes=given)
    server.tool(lambda_named("ship"))

    assert server.login_scopes == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("library:burn", "names the scope 'library:burn', which server 'library' does"),
        ("a b", "which is no name of a scope"),
        (7, "login_scopes must be the name of a scope"),
    ],
)
def test_login_cannot_ask_for_what_there_is_not(given: Any, said: str) -> None:
    """Chosen: each login would be refused."""
    with pytest.raises(ValueError, match=said):
        Server("library", scopes=LEND, login_scopes=given)


# Asked --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(("asked", "needed"), NEEDS)
async def test_too_little_is_refused_with_all_that_is_needed(
    asked: tuple[str, JSONObject], needed: str, version: str
) -> None:
    """Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors"."""
    caller = caller_with(library(), (), version)
    with pytest.raises(AuthenticationFailed) as caught:
        await caller.call(*asked)

    failure = caught.value
    assert failure.status == 403
    assert failure.data == {"error": "insufficient_scope", "scope": needed}
    assert failure.message == (
        f"this needs the scope {needed}, which the token does not have"
    )


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(("asked", "needed"), NEEDS)
@pytest.mark.parametrize("is_all", [True, False])
async def test_enough_is_answered(
    asked: tuple[str, JSONObject], needed: str, is_all: bool, version: str
) -> None:
    """Chosen: neither a session nor a token without scopes is narrowed."""
    scopes = None if is_all else needed.split()

    assert await caller_with(library(), scopes, version).call(*asked)


async def test_what_the_token_allows_already_is_named_too() -> None:
    """Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors": so
    that programs do not lose it. Others than the server's are left out."""
    caller = caller_with(library(), ["mcp:read", "openid", "offline_access"])
    with pytest.raises(AuthenticationFailed) as caught:
        await caller.call(*call_of("lend"))

    assert caught.value.data["scope"] == "library:lend mcp:read"
    assert caught.value.message.startswith("this needs the scope library:lend, ")


async def test_lists_and_completions_need_no_scope() -> None:
    """Chosen: a program has to see what it could ask for."""
    server = library()
    caller = caller_with(server, ())

    tools = await caller.call("tools/list")
    resources = await caller.call("resources/list")
    templates = await caller.call("resources/templates/list")
    prompts = await caller.call("prompts/list")
    reference = {"type": "ref/resource", "uri": "library://loans/{reader}"}

    def suggest(value: str) -> list[str]:
        return [value]

    server.completion("library://loans/{reader}", "reader")(suggest)
    argument = {"name": "reader", "value": "ada"}
    completed = await caller.call(
        "completion/complete", {"ref": reference, "argument": argument}
    )

    assert {tool["name"] for tool in tools["tools"]} == server.tools.keys()
    assert len(resources["resources"] + templates["resourceTemplates"]) == 2
    assert len(prompts["prompts"]) == 2
    assert completed["completion"]["values"] == ["ada"]


async def test_lack_of_permission_hides_what_also_needs_a_scope() -> None:
    """Chosen: no program shall learn by a scope of what its user may not see."""
    server = Server("library")
    denied: Any = lambda context: False  # noqa: E731
    server.tool(permission=denied)(lambda_named("ship"))
    server.prompt(permission=denied)(lambda_named("ship"))
    server.resource("x://y", permission=denied)(lambda_named("y"))
    caller = caller_with(server, ())

    for asked in (call_of("ship"), prompt_of("ship"), read_of("x://y")):
        with pytest.raises(ErrorAnswer) as caught:
            await caller.call(*asked)
        assert not isinstance(caught.value, AuthenticationFailed)


async def test_scope_is_asked_for_before_arguments_are_looked_at() -> None:
    """Chosen: a narrow token cannot find out which objects there are."""
    server = Server("library")
    asked: list[int] = []

    def may(context: SyncContext, book: int) -> bool:
        asked.append(book)
        return True

    @server.tool(permission=may)
    def ship(book: int) -> None: ...

    caller = caller_with(server, ["mcp:read"])
    for arguments in ({"book": 1}, {"book": "x"}, {}):
        with pytest.raises(AuthenticationFailed):
            await caller.call(*call_of("ship", **arguments))
    assert asked == []


async def test_handler_reads_with_the_scopes_of_its_caller() -> None:
    """Chosen: else a tool that reads any URI would read what the token may not. The
    refusal names what the tool and the resource need."""
    caller = caller_with(library(), ["library:lend"])

    await caller.call(*call_of("read_for_me", uri="library://loans/ada"))
    with pytest.raises(AuthenticationFailed) as caught:
        await caller.call(*call_of("read_for_me", uri="library://stats"))

    assert caught.value.data["scope"] == "library:lend mcp:read"


@pytest.mark.parametrize(
    ("scopes", "found"),
    [
        (None, ["everything"]),
        (["mcp:read", "library:lend"], ["library:lend", "mcp:read"]),
    ],
)
async def test_context_says_what_is_allowed(
    scopes: list[str] | None, found: list[str]
) -> None:
    """Chosen: for handlers that do less for less."""
    result = await caller_with(library(), scopes).call(*call_of("renew"))

    assert result["structuredContent"] == {"result": found}


# Subscriptions ------------------------------------------------------------------------


async def test_subscription_needs_what_reading_needs() -> None:
    """Chosen: a change tells something of what changed."""
    server = library()
    params = {"uri": "library://loans/ada"}
    narrow, wide = caller_with(server, ["mcp:read"]), caller_with(server, LEND)

    with pytest.raises(AuthenticationFailed) as caught:
        await narrow.call("resources/subscribe", params)
    assert caught.value.data["scope"] == "library:lend mcp:read"

    assert await wide.call("resources/subscribe", params) == {}
    assert await narrow.call("resources/unsubscribe", params) == {}


async def test_listening_needs_what_reading_all_of_it_needs() -> None:
    """Spec: 2026-07-28 basic/authorization, "Runtime Insufficient Scope Errors": all
    in one challenge. What there is not is left out, as always."""
    server = library()
    uris = ["library://none", "library://stats", "library://loans/ada"]
    request = caller_with(server, (), MODERN).request(
        "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}}
    )
    with pytest.raises(AuthenticationFailed) as caught:
        await subscribe(server, request)

    assert caught.value.data["scope"] == "library:lend mcp:read"


async def test_listening_to_lists_needs_no_scope() -> None:
    """Chosen: as lists need none."""
    server = library()
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["library://none"]}
    request = caller_with(server, (), MODERN).request(
        "subscriptions/listen", {"notifications": wanted}
    )
    subscription = await subscribe(server, request)

    assert subscription.result["_meta"]
    assert list(subscription.uris) == []


# What is told -------------------------------------------------------------------------

names = st.frozensets(st.sampled_from(["mcp:read", "mcp:write", "library:lend", "x"]))


@given(
    names.map(lambda found: found - {"x"}).filter(bool),
    names,
)
def test_refusal_names_all_that_would_do_and_nothing_foreign(
    needed: frozenset[str], allowed: frozenset[str]
) -> None:
    """Chosen: a token with what is named is one that does, and loses nothing."""
    server = Server("library", scopes=LEND)
    request = caller_with(server, allowed).request("tools/call", {"name": "lend"})
    failure = insufficient(server, request, needed)
    named = failure.parameters["scope"].split(" ")

    assert named == sorted(set(named))
    assert needed <= set(named)
    assert set(named) - needed == (allowed - needed) & server.scopes.keys()


@given(st.frozensets(st.text(ALLOWED, min_size=1, max_size=9), min_size=1, max_size=5))
def test_challenge_names_scopes_so_that_they_are_read_again(
    names: frozenset[str],
) -> None:
    """Spec: RFC 6750, section 3: whatever they are named."""
    server = Server("library", scopes=dict.fromkeys(names, "Do something"))
    request = caller_with(server, ()).request("tools/call", {"name": "lend"})
    [challenge] = parse(bearer_challenge(insufficient(server, request, names)))

    assert parse_scopes(dict(challenge.parameters)["scope"].strip('"')) == names
