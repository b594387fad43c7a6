"""Lazy texts: taken everywhere, and translated for each request."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import anyio
import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from mcp_types import SERVER_INFO_META_KEY, Implementation
from pydantic import BaseModel, Field
from pytest_django import Settings

from mcp_django import Context, Server, SyncContext, ToolError
from mcp_django.server.texts import plain
from mcp_django.testing import AsyncMCPClient
from tests import bakery
from tests.patience import PATIENCE_SECONDS
from tests.server.calls import LATEST, MODERN, Caller

pytestmark = pytest.mark.usefixtures("german")

ANSWERS: Any = {
    "elicitation/create": [{"action": "accept", "content": {"flour": "rye"}}],
    "sampling/createMessage": [
        {"role": "assistant", "model": "m", "content": {"type": "text", "text": "x"}}
    ],
}


def client(language: str | None = "de", version: str = LATEST, **more: Any) -> Caller:
    """Make a client that prefers a language."""
    headers = {} if language is None else {"accept-language": language}
    server = more.pop("server", bakery.server)
    return Caller(server, version=version, headers=headers, answers=ANSWERS, **more)


def nothing() -> str:
    """Give a text."""
    return ""


def of_loaf(loaf: str) -> str:
    """Give a loaf."""
    return loaf


async def structured(tool: str, language: str = "de", **options: Any) -> Any:
    """Give what a tool returns, as its client sees it."""
    result = await client(language, **options).call_tool(tool)
    return json.loads(json.dumps(result["structuredContent"]))


async def language_of(**options: Any) -> str:
    """Give the language in which handlers run."""
    server = Server("probe")

    @server.tool
    def probe() -> dict[str, str | None]:
        return {"language": translation.get_language()}

    result = await client(server=server, **options).call_tool("probe")
    language: str = result["structuredContent"]["language"]
    return language


# What is shown ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "title", "description"),
    [
        ("de", "Backen", "Einen Laib backen."),
        ("de-AT, en;q=0.5", "Backen", "Einen Laib backen."),
        ("en", "Bake", "Bake a loaf."),
        ("tlh, de;q=0.5", "Backen", "Einen Laib backen."),
        (None, "Bake", "Bake a loaf."),
        ("*", "Bake", "Bake a loaf."),
        ("", "Bake", "Bake a loaf."),
    ],
)
@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_list_is_in_the_language_of_its_reader(
    version: str, language: str | None, title: str, description: str
) -> None:
    """Our choice: as `LocaleMiddleware` reads Accept-Language."""
    result = await client(language, version).call("tools/list")
    bake = result["tools"][0]
    assert (bake["title"], bake["description"]) == (title, description)
    assert json.loads(json.dumps(bake)) == bake


async def test_every_part_of_a_list_is_translated() -> None:
    """Our choice."""
    caller = client()
    bake, weigh, *_ = (await caller.call("tools/list"))["tools"]
    assert bake["annotations"] == {"title": "Backen", "readOnlyHint": False}
    assert bake["_meta"] == {"help": ["Einen Laib backen."]}
    assert bake["inputSchema"]["properties"]["flour"] == {
        "type": "string",
        "title": "Mehlsorte",
        "description": "Welches Mehl?",
        "examples": ["Roggen"],
        "default": "rye",
    }
    assert weigh["inputSchema"]["properties"]["flour"]["description"] == "Welches Mehl?"
    [prompt] = (await caller.call("prompts/list"))["prompts"]
    assert (prompt["title"], prompt["description"]) == ("Backen", "Einen Laib backen.")
    assert prompt["arguments"][0] == {
        "name": "flour",
        "title": "Mehlsorte",
        "description": "Welches Mehl?",
        "required": False,
    }
    [fixed] = (await caller.call("resources/list"))["resources"]
    assert fixed["title"] == "Die Bäckerei"
    templates = await caller.call("resources/templates/list")
    assert templates["resourceTemplates"][0]["title"] == "Mehlsorte"


async def test_server_describes_itself_in_the_language_of_its_reader() -> None:
    """Spec: 2026-07-28 server/discover."""
    result = await client(version=MODERN).call("server/discover")
    assert result["instructions"] == "Frag zuerst nach Brot."
    assert result["_meta"][SERVER_INFO_META_KEY] == {
        "name": "bakery",
        "version": "1.0.0",
        "title": "Die Bäckerei",
        "description": "Brot und Brötchen.",
        "icons": [{"src": "https://bakery.example/loaf.png"}],
    }


@pytest.mark.parametrize(("language", "title"), [("de", "Die Bäckerei"), ("en", None)])
async def test_every_modern_result_has_the_translated_title(
    language: str, title: str | None
) -> None:
    """Spec: 2026-07-28 basic, "Per-response protocol fields"."""
    result = await client(language, MODERN).call_tool("weigh")
    assert result["_meta"][SERVER_INFO_META_KEY]["title"] == (title or "The bakery")


@pytest.mark.parametrize("error", [Http404, PermissionDenied, ToolError])
async def test_refusal_has_the_translated_title(error: type[Exception]) -> None:
    """Spec: 2026-07-28 basic, "Per-response protocol fields": every result."""
    server = Server("bakery", title=_("The bakery"))

    @server.tool
    def refuse() -> str:
        raise error("no")

    result = await client("de", MODERN, server=server).call_tool("refuse")
    assert result["isError"] is True
    assert result["_meta"][SERVER_INFO_META_KEY]["title"] == "Die Bäckerei"


# What cannot be made ----------------------------------------------------------------


def failing(error: BaseException) -> Any:
    """Give a lazy text that raises."""

    def fail() -> str:
        raise error

    return lazy(fail, str)()


def surrogate() -> str:
    """Give what cannot be written as UTF-8."""
    return "\ud800"


FAILING: list[Any] = [
    reverse_lazy("nope"),
    failing(LookupError("no such text")),
    failing(SystemExit()),
    failing(StopIteration()),
    failing(RecursionError()),
    format_lazy("{missing}", present=_("Bake")),
    lazy(surrogate, str)(),
]


@pytest.mark.parametrize("text", FAILING, ids=range(len(FAILING)))
@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_text_that_fails_is_left_out_and_logged_once(
    text: Any, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: no list shall fail for one text of it."""
    server, baked = Server("bakery"), cast(str, _("Bake"))

    @server.tool(
        title=text,
        description=_("Bake a loaf."),
        icons=[{"src": text}, {"src": "https://bakery.example/loaf.png"}],
        meta={"help": [text, _("Bake")], "link": {"href": text}},
    )
    def bake(flour: str = Field(title=text, description=baked)) -> str:
        return flour

    @server.prompt(description=text)
    def ask(flour: str = Field(description=text)) -> str:
        return flour

    server.resource("bakery://loaf", title=text, icons=[{"src": text}])(nothing)
    server.resource("bakery://{loaf}", description=text)(of_loaf)

    caller = client(version=version, server=server)
    for _run in range(2):
        [tool] = (await caller.call("tools/list"))["tools"]
        [prompt] = (await caller.call("prompts/list"))["prompts"]
        [fixed] = (await caller.call("resources/list"))["resources"]
        templates = await caller.call("resources/templates/list")
        [template] = templates["resourceTemplates"]
    got = await caller.call(
        "prompts/get", {"name": "ask", "arguments": {"flour": "rye"}}
    )

    assert "title" not in tool
    assert tool["description"] == "Einen Laib backen."
    assert tool["icons"] == [{"src": "https://bakery.example/loaf.png"}]
    assert tool["_meta"] == {"help": ["Backen"], "link": {}}
    assert tool["inputSchema"]["properties"]["flour"] == {
        "type": "string",
        "description": "Backen",
    }
    assert prompt == {"name": "ask", "arguments": [{"name": "flour", "required": True}]}
    assert fixed == {
        "uri": "bakery://loaf",
        "name": "nothing",
        "description": "Give a text.",
        "icons": [],
    }
    assert template == {"uriTemplate": "bakery://{loaf}", "name": "of_loaf"}
    assert "description" not in got
    said = [message for message in caplog.messages if "is left out" in message]
    assert len(said) == len(set(said)) == 10
    assert (
        "icons.0.src of tool bake is left out, as it cannot be made; mend what makes "
        "it" in said
    )


@pytest.mark.parametrize("text", FAILING, ids=range(len(FAILING)))
async def test_server_describes_itself_without_the_text_that_fails(text: Any) -> None:
    """Our choice: a server without its title is better than none."""
    server = Server(
        "bakery",
        title=text,
        description=_("Bake"),
        instructions=text,
        website_url=text,
        icons=[{"src": text}],
    )
    server.tool(name="nothing")(nothing)
    info = {"name": "bakery", "version": "1.0.0", "description": "Backen", "icons": []}

    modern = client(version=MODERN, server=server)
    result = await modern.call("server/discover")
    assert result["_meta"][SERVER_INFO_META_KEY] == info
    assert "instructions" not in result
    called = await modern.call_tool("nothing")
    shown = {"name": "bakery", "version": "1.0.0"}
    assert called["_meta"][SERVER_INFO_META_KEY] == shown
    with translation.override("de"):
        described = server.describe(LATEST)
    assert described["serverInfo"] == info
    assert "instructions" not in described


async def test_initialize_is_answered_without_the_text_that_fails() -> None:
    """Our choice: also by whoever drives the connection."""
    server = Server("bakery", title=reverse_lazy("nope"), instructions=_("Bake"))
    server.tool(name="nothing", title=reverse_lazy("nope"))(nothing)
    async with AsyncMCPClient(server, version=LATEST).connect() as mcp:
        assert mcp.server_info == Implementation(name="bakery", version="1.0.0")
        assert [tool.title for tool in await mcp.list_tools()] == [None]


# What handlers give -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("bake", {"said": "Backen", "flour": "Roggen"}),
        ("list_choices", [["rye", "Roggen"], ["wheat", "Weizen"]]),
        ("generate_labels", ["Roggen", "Weizen"]),
        ("view_labels", ["Roggen", "Weizen"]),
        ("list_loaves", [{"flour": "Roggen", "tags": ["Weizen"]}]),
        ("tag", {"flour": "Roggen"}),
        ("change_label", {"text": "Roggen"}),
        ("pair", ["rye", "Roggen"]),
        ("count_by_label", {"Roggen": 1}),
        ("say_verbatim", {"Roggen": ["Weizen"]}),
        ("write_result", {"label": "Roggen"}),
        ("locate", {"url": "/admin/"}),
    ],
)
async def test_lazy_texts_in_results_are_translated(tool: str, expected: Any) -> None:
    """Our choice: they are Django's usual texts, and no failure."""
    assert await structured(tool, version=MODERN) == expected


async def test_lazy_texts_in_content_are_translated() -> None:
    """Our choice."""
    text = await client().text_of("say_anything")
    assert json.loads(text) == {
        "label": "Roggen",
        "loaf": {"flour": "Weizen", "tags": []},
    }
    result = await client().call_tool("write_result")
    assert result["_meta"] == {"label": "Weizen"}


async def test_what_a_handler_tells_and_asks_is_translated() -> None:
    """Our choice: progress, log messages, forms."""
    caller = client(session=None, log_level="debug")
    request = caller.request(
        "tools/call", {"name": "knead", "_meta": {"progressToken": "t"}}
    )
    result = await caller.finish(request)
    assert result["content"][0]["text"] == "Backen: rye"
    (_, progress), (_, log), *_ = caller.notified
    assert progress["message"] == "Kneten"
    assert log["data"] == {"doing": "Kneten", "flour": ["Roggen"]}
    [[(_, asked)]] = caller.asked
    assert asked["message"] == "Welches Mehl?"
    assert asked["requestedSchema"]["properties"]["flour"] == {
        "type": "string",
        "title": "Mehlsorte",
        "description": "Welches Mehl?",
    }


@pytest.mark.parametrize("tool", ["knead", "ask_model", "visit"])
async def test_questions_of_the_modern_era_are_translated_in_every_round(
    tool: str,
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr: a retry is to the same question."""
    caller = client(version=MODERN)
    result = await caller.call_tool(tool)
    assert not result.get("isError")
    [[(_, asked)]] = caller.asked
    assert "Welches Mehl?" in json.dumps(asked, ensure_ascii=False)


async def test_errors_of_handlers_are_translated() -> None:
    """Our choice: both for the model, and for the client program."""
    caller = client()
    failed = await caller.call_tool("fail", kind="tool")
    assert failed["content"][0]["text"] == "Der Ofen ist kalt."
    error = await caller.error_of(
        "tools/call", {"name": "fail", "arguments": {"kind": "x"}}
    )
    assert (error.code, error.message, error.data) == (
        1,
        "Der Ofen ist kalt.",
        {"try": ["Weizen"]},
    )
    assert type(error.message) is str


async def test_prompts_resources_and_completions_are_translated() -> None:
    """Our choice."""
    caller = client()
    prompt = await caller.call("prompts/get", {"name": "order"})
    assert prompt["description"] == "Einen Laib backen."
    assert [m["content"]["text"] for m in prompt["messages"]] == [
        "Einen Laib backen.",
        "Backen",
    ]
    [sign] = (await caller.call("resources/read", {"uri": "bakery://sign"}))["contents"]
    assert sign["text"] == "Brot und Brötchen."
    [rye] = (await caller.call("resources/read", {"uri": "bakery://flours/rye"}))[
        "contents"
    ]
    assert json.loads(rye["text"]) == {"label": "Roggen"}
    completion = await caller.call(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "order"},
            "argument": {"name": "flour", "value": "ogg"},
        },
    )
    assert completion["completion"]["values"] == ["Roggen"]


async def test_uris_may_be_lazy() -> None:
    """Our choice: `reverse_lazy` makes them; whoever gives one means its text."""
    server = Server("library")
    uri: Any = _("library://a")

    @server.resource("library://{name}")
    def book(name: str) -> str:
        return name

    @server.tool
    async def read(context: Context) -> str:
        [contents] = await context.read_resource(uri)
        return str(getattr(contents, "text", ""))

    async with AsyncMCPClient(server).connect() as mcp:
        assert (await mcp.read_resource(uri)).contents[0].uri == "library://a"
        read_by_tool = (await mcp.call_tool("read")).content[0]
        assert getattr(read_by_tool, "text", "") == "a"
        with anyio.fail_after(PATIENCE_SECONDS):
            async with mcp.listen(uri) as changes:
                server.resource_updated(uri)
                change = await anext(changes)
        assert getattr(change.params, "uri", "") == "library://a"


# Which language ---------------------------------------------------------------------


async def test_what_around_activates_counts_for_what_handlers_give() -> None:
    """Our choice: also where texts are written after the handler."""
    options: Any = {"server": bakery.foreign}
    assert await structured("name_flour", "en", **options) == {"flour": "Roggen"}
    error = await client("en", **options).error_of(
        "tools/call", {"name": "raise_shared"}
    )
    assert error.message == "Der Ofen ist kalt."


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tool", "Der Ofen ist kalt."),
        ("missing", "Der Ofen ist kalt."),
        ("invalid", "oven: Der Ofen ist kalt."),
        ("group", "Der Ofen ist kalt."),
    ],
)
async def test_what_around_activates_counts_for_what_handlers_raise(
    kind: str, expected: str
) -> None:
    """Our choice: it is put into words when `around` is over."""
    caller = client("en", server=bakery.foreign)
    assert await caller.text_of("refuse", kind=kind) == expected


async def test_error_that_is_raised_again_is_translated_again() -> None:
    """Our choice: what one request was told is not kept for the next."""
    for language, expected in [
        ("de", "Der Ofen ist kalt."),
        ("en", "The oven is cold."),
        ("de", "Der Ofen ist kalt."),
    ]:
        caller = client(None, server=bakery.foreign)
        caller.sender.headers["x-language"] = language  # type: ignore[index]
        error = await caller.error_of("tools/call", {"name": "raise_shared"})
        assert error.message == expected


async def english(context: Context) -> str:
    """Choose English, unless the user is known."""
    return "de" if context.user.is_authenticated else "en"


def by_client(context: SyncContext) -> str | None:
    """Choose by what the client says of itself."""
    return context.client_info.title


def later(context: SyncContext) -> Awaitable[str]:
    """Choose by a coroutine that a `def` function makes."""
    return english(context)  # type: ignore[arg-type]


def broken(context: SyncContext) -> str:
    """Fail."""
    raise RuntimeError("no language today")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("fr", "fr"),
        ("de-at", "de"),
        (english, "en"),
        (later, "en"),
        (f"{__name__}.english", "en"),
        (by_client, "de"),
        (broken, "de"),
        (lambda context: "tlh", "de"),
        (lambda context: "../../etc", "de"),
        (lambda context: 5, "de"),
        (f"{__name__}.nowhere", "de"),
    ],
)
async def test_site_may_choose_the_language_by_a_setting(
    settings: Settings, setting: str | Callable[..., Any], expected: str
) -> None:
    """Our choice: stdio has no headers. What fails leaves it to the client."""
    settings.MCP = {"LANGUAGE": setting}
    assert await language_of() == expected


async def test_chosen_language_is_that_of_lists(settings: Settings) -> None:
    """Our choice."""
    settings.MCP = {"LANGUAGE": "de"}
    result = await client(None).call("tools/list")
    assert result["tools"][0]["title"] == "Backen"


async def test_language_of_a_request_ends_with_it() -> None:
    """Our choice: on the way of views, Django goes on after us."""
    with translation.override("fr"):
        assert await language_of() == "de"
        assert await language_of(language=None) == "fr"
        assert translation.get_language() == "fr"


# Registering ------------------------------------------------------------------------


def refuse(text: str) -> str:
    """Stand for a text that cannot be translated yet."""
    raise AssertionError("translated while a feature is registered")


unready: Any = lazy(refuse, str)


class Dough(BaseModel):
    """What contains itself."""

    kind: str = Field(title=unready("h"))
    inner: list[Dough] = []


async def test_no_text_is_translated_while_features_are_registered() -> None:
    """Our choice: an `mcp.py` may be imported before Django is ready."""
    server = Server("early", title=unready("a"), instructions=unready("b"))

    @server.tool(
        description=unready("c"),
        annotations={"title": unready("d")},
        output_schema={"description": unready("e")},
    )
    def tool(
        dough: Dough,
        flour: Annotated[str, Field(description=unready("f"), examples=[unready("g")])],
    ) -> None: ...

    @server.resource("early://x", annotations={"audience": ["user"]})
    def resource() -> None: ...

    assert server.tools["tool"].has_lazy_text
    assert not server.resources["early://x"].has_lazy_text


def test_lazy_text_is_refused_where_everybody_may_be_shown_it() -> None:
    """Spec: 2026-07-28 server/utilities/caching: "public" is for all users."""
    with pytest.raises(ValueError, match="server 'open' has lazy text"):
        Server("open", title=_("The bakery"), cache_scope="public")
    server = Server("open", cache_scope="public")
    with pytest.raises(ValueError, match="tool 'bake' has lazy text"):
        server.tool(description=_("Bake a loaf."))(bakery.bake)
    assert not server.tools


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [_("Rye"), _("Wheat")]},
        {"const": _("Rye")},
        {"pattern": _("Rye")},
    ],
)
def test_what_is_checked_must_not_depend_on_the_language(schema: Any) -> None:
    """Our choice: an argument is right or wrong for everybody."""
    server = Server("strict")
    [keyword] = schema
    with pytest.raises(ValueError, match=f"lazy text in '{keyword}'"):

        @server.tool(input_schema={"type": "object", "properties": {"a": schema}})
        def tool(a: str) -> None: ...


def test_hints_by_keyword_join_annotations_with_lazy_text() -> None:
    """Our choice: `mcp_types.ToolAnnotations` takes no lazy title, a mapping does."""
    server = Server("joined")
    server.tool(annotations={"title": _("Bake")}, read_only=True)(bakery.bake)
    assert plain(server.tools["bake"].entry["annotations"]) == {
        "title": "Bake",
        "readOnlyHint": True,
    }
    with pytest.raises(ValueError, match="contradicts"):
        server.tool(name="b", annotations={"readOnlyHint": False}, read_only=True)(
            bakery.bake
        )
