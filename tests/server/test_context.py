"""What a handler may use: the same for `def` and `async def`."""

import inspect
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from mcp_types import (
    TextResourceContents,
)
from pydantic import BaseModel

from mcp_django import Context, ResourceNotFound, Server, SyncContext
from mcp_django.server.handlers import make_handler
from mcp_django.server.requests import Request
from tests.server.calls import EVERYTHING, KINDS, Caller, Notebook, use


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Order(BaseModel):
    count: int
    gift: bool = False


def test_both_kinds_of_context_have_the_same_names() -> None:
    """Our choice: who knows one knows the other."""

    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Context) == public(SyncContext)
    for name in public(Context):
        ours, theirs = getattr(Context, name), getattr(SyncContext, name)
        if inspect.isfunction(ours):
            assert inspect.signature(ours) == inspect.signature(theirs)


@pytest.mark.parametrize("kind", KINDS)
async def test_context_tells_who_asks_and_how(kind: str) -> None:
    """Our choice: all that is known of a request."""
    server = Server("shop")
    told: dict[str, Any] = {}

    def look(context: Context | SyncContext) -> None:
        for name in (
            "user",
            "client_info",
            "client_capabilities",
            "protocol_version",
            "session_id",
            "headers",
            "request_id",
            "meta",
            "server",
            "is_cancelled",
        ):
            told[name] = getattr(context, name)

    if kind == "def":

        @server.tool
        def tool(context: SyncContext) -> None:
            look(context)

    else:

        @server.tool(name="tool")
        async def async_tool(context: Context) -> None:
            look(context)

    caller = Caller(
        server,
        user="ada",
        version="2025-06-18",
        headers={"x-tenant": "acme"},
        session=Notebook(id="session-9"),
    )
    request = caller.request("tools/call", {"name": "tool", "_meta": {"a": 1}})
    await caller.finish(request)
    assert told == {
        "user": "ada",
        "client_info": request.peer.client_info,
        "client_capabilities": request.peer.client_capabilities,
        "protocol_version": "2025-06-18",
        "session_id": "session-9",
        "headers": {"x-tenant": "acme"},
        "request_id": 7,
        "meta": {"a": 1},
        "server": server,
        "is_cancelled": False,
    }


async def test_context_without_user_session_or_meta() -> None:
    """Our choice: nobody is `AnonymousUser`, as in Django."""
    server = Server("shop")
    context = Context(server, Caller(server).request("tools/call"))
    assert context.user == AnonymousUser()
    assert not context.user.has_perm("shop.sell")
    assert context.session_id is None
    assert dict(context.headers) == {}
    assert context.meta == {}


async def test_meta_that_is_no_object_is_empty() -> None:
    """Our choice: a handler need not look twice."""
    server = Server("shop")
    context = Context(server, Caller(server).request("tools/call", {"_meta": 7}))
    assert context.meta == {}


async def test_context_learns_of_cancellation() -> None:
    """Our choice: threads cannot be cancelled, so that long loops look at it."""
    server = Server("shop")
    request = Caller(server).request("tools/call")
    context = Context(server, request)
    request.is_cancelled = True
    assert context.is_cancelled


def test_wrong_context_is_an_error_at_registration() -> None:
    """Our choice: said at registration, not at the first call."""

    def takes_context(context: Context) -> None: ...

    async def takes_sync_context(context: SyncContext) -> None: ...

    for function in (takes_context, takes_sync_context):
        with pytest.raises(ValueError, match=r"Context"):
            make_handler(function, name="tool")


# Resources --------------------------------------------------------------------------


@pytest.fixture
def library() -> Server:
    server = Server("library")

    @server.resource("library://terms")
    def terms() -> str:
        return "None."

    @server.resource("library://books/{id}")
    async def book(id: int, context: Context) -> bytes:
        return f"{context.request_id} {id}".encode()

    @server.resource("library://secret", permission=lambda context: False)
    def secret() -> str:
        return "secret"

    @server.resource("library://asks")
    def asks(context: SyncContext) -> str:
        return context.elicit("How many?", Order).action

    return server


@pytest.mark.parametrize("kind", KINDS)
async def test_handler_reads_the_server_s_own_resources(
    kind: str, library: Server
) -> None:
    """Our choice: as the client would."""
    caller = Caller(library)
    assert await use(caller, kind, "read_resource", "library://terms") == [
        TextResourceContents(
            uri="library://terms", mime_type="text/plain", text="None."
        )
    ]
    [contents] = await use(caller, kind, "read_resource", "library://books/3")
    assert (contents.uri, contents.blob) == ("library://books/3", "NyAz")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uri", ["library://nothing", "library://secret"])
async def test_handler_reads_only_what_its_user_may(
    kind: str, uri: str, library: Server
) -> None:
    """Our choice: a tool is no way around a permission."""
    raised = await use(Caller(library), kind, "read_resource", uri)
    assert isinstance(raised, ResourceNotFound)
    assert raised.uri == uri


@pytest.mark.parametrize("kind", KINDS)
async def test_resource_that_asks_runs_the_tool_again(
    kind: str, library: Server
) -> None:
    """Our choice: the question passes through whoever reads the resource."""
    answers = {"elicitation/create": [{"action": "decline"}]}
    caller = Caller(library, answers=answers)
    [contents] = await use(caller, kind, "read_resource", "library://asks")
    assert contents.text == "decline"
    assert len(caller.asked) == 1


def test_capabilities_of_these_tests_are_all_there_are() -> None:
    """Our choice: `EVERYTHING` has what a question may need."""
    request: Request = Caller(Server("shop")).request("ping")
    declared = request.peer.client_capabilities.model_dump(exclude_none=True)
    assert declared == EVERYTHING


# The connection ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("retry_ms", [None, 0, 500])
async def test_connection_is_ended_where_the_client_can_come_back(
    kind: str, retry_ms: int | None
) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    ended: list[int | None] = []

    async def end(retry_ms: int | None) -> None:
        ended.append(retry_ms)

    caller = Caller(Server("shop"), close_stream=end)
    await use(caller, kind, "close_stream", retry_ms)
    assert ended == [retry_ms]


@pytest.mark.parametrize("kind", KINDS)
async def test_connection_goes_on_where_the_client_could_not_come_back(
    kind: str,
) -> None:
    """Our choice: a handler need not know how its client is connected."""
    assert await use(Caller(Server("shop")), kind, "close_stream") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_client_cannot_come_back_before_it_went(kind: str) -> None:
    """Our choice: told to the developer, whatever the connection."""
    raised = await use(Caller(Server("shop")), kind, "close_stream", -1)
    assert isinstance(raised, ValueError)
    assert str(raised) == "retry_ms must be 0 or more milliseconds, not -1"
