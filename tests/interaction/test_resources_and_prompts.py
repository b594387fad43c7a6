"""Reading resources, following their changes, filling in prompts, completing."""

from __future__ import annotations

import mcp_types as types
import pytest
from django.core.exceptions import ObjectDoesNotExist
from pydantic import AnyUrl
from pytest_django import Settings

from mcp_django import Server, SyncContext
from tests.interaction import features
from tests.interaction.client import LATEST_LEGACY, Client, error_of
from tests.interaction.conftest import Connect
from tests.interaction.ways import only

# Notices of changes travel through the site's worker, which is asyncio's.
NOTICED = only(loop="asyncio")

# The official client completes only where the capability is declared, which came then.
COMPLETED = only(since="2025-03-26")


async def test_text_and_bytes_are_read(connect: Connect) -> None:
    """Spec: 2025-11-25 server/resources, "Resource Contents"."""
    async with connect() as client:
        read = await client.session.read_resource("test://note")
        assert read.contents == [
            types.TextResourceContents(
                uri="test://note", mime_type="text/plain", text="remember the milk"
            )
        ]
        read = await client.session.read_resource("test://dot")
        assert read.contents == [
            types.BlobResourceContents(
                uri="test://dot", mime_type="image/x-dot", blob="AAE="
            )
        ]


async def test_template_reads_what_its_variables_name(connect: Connect) -> None:
    """Spec: 2025-11-25 server/resources, "Resource Templates"."""
    async with connect() as client:
        templates = await client.session.list_resource_templates()
        [template] = templates.resource_templates
        assert template.uri_template == "test://books/{shelf}/{number}"
        read = await client.session.read_resource("test://books/top%20left/3")
        assert read.contents == [
            types.TextResourceContents(
                uri="test://books/top%20left/3",
                mime_type="application/json",
                text='{"shelf":"top left","number":3}',
            )
        ]


@pytest.mark.parametrize(
    "uri", ["test://nothing", "test://books/top/10", "test://books/top/91"]
)
async def test_resource_that_is_not_there_is_a_protocol_error(
    connect: Connect, uri: str
) -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling"."""
    async with connect() as client:
        error = await error_of(client.session.read_resource(uri))
        assert error == types.ErrorData(
            code=-32602 if client.is_modern else -32002,
            message="Resource not found",
            data={"uri": uri},
        )


async def hear_update(client: Client) -> str:
    """Wait for the notice of a changed resource, and give its URI."""
    notification = await client.hear(types.ResourceUpdatedNotification)
    return str(notification.params.uri)


SPELLINGS = [
    # As the client subscribes, as the site tells.
    ("test://days/2026-01-02/true/it's", "test://days/2026-01-02/True/it%27s"),
    ("TEST://days/2026-01-02/1/a@b.c", "test://days/2026-01-02/True/a%40b.c"),
    ("test://days/2026-01-02/no/Gr%c3%bcn", "test://days/2026-01-02/False/Grün"),
    ("test://days/2026-01-02/no/a%7Eb c", "test://days/2026-01-02/False/a~b%20c"),
    ("https://example.com/", "HTTPS://Example.COM"),
    ("https://EXAMPLE.com:443", "HTTPS://Example.COM"),
]


@only(loop="asyncio")
@pytest.mark.parametrize(("written", "told"), SPELLINGS)
async def test_client_is_told_in_its_own_words(
    connect: Connect, written: str, told: str
) -> None:
    """We promise it: RFC 3986, section 6.2.2 and 6.2.3, and typed variables."""
    async with connect(server=features.written) as client:
        read = await client.session.read_resource(written)
        assert read.contents
        async with client.listening(written):
            features.written.resource_updated("test://days/2026-01-03/True/other")
            features.written.resource_updated(told)
            heard = await client.hear(types.ResourceUpdatedNotification)
            assert heard.params.uri == written


@only(until=LATEST_LEGACY, loop="asyncio")
async def test_client_may_unsubscribe_in_other_words(connect: Connect) -> None:
    """We promise it."""
    async with connect(server=features.written) as client, client.listening():
        await client.subscribe("test://days/2026-01-02/true/a%7Eb")
        await client.unsubscribe("test://days/2026-01-02/1/a~b")
        features.written.resource_updated("test://days/2026-01-02/True/a~b")
        features.written.resources_changed()
        await client.hear(types.ResourceListChangedNotification)
        client.assert_heard_nothing()


async def test_resource_is_read_as_it_is_listed_however_libraries_write_it(
    connect: Connect,
) -> None:
    """We promise it: the official SDK 1.x sends what pydantic makes of a URI."""
    async with connect(server=features.written) as client:
        listed = (await client.session.list_resources()).resources
        for uri in {str(AnyUrl(resource.uri)) for resource in listed}:
            assert (await client.session.read_resource(uri)).contents


@NOTICED
async def test_subscribed_client_is_told_of_changes(connect: Connect) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"; 2026-07-28
    basic/patterns/subscriptions."""
    async with connect() as client, connect() as other, other.listening():
        async with client.listening("test://note", "test://books/top/1"):
            features.server.resource_updated("test://dot")
            features.server.resource_updated("test://note")
            features.server.resource_updated("test://books/top/1")
            assert await hear_update(client) == "test://note"
            assert await hear_update(client) == "test://books/top/1"
        async with client.listening():
            features.server.resource_updated("test://note")
            features.server.tools_changed()
            # Notices keep their order: this one was not preceded by another.
            await client.hear(types.ToolListChangedNotification)
            await other.hear(types.ToolListChangedNotification)


@NOTICED
@pytest.mark.parametrize("decides", ["permission", "handler"])
async def test_subscriber_is_told_only_of_what_it_may_still_read(
    connect: Connect, settings: Settings, decides: str
) -> None:
    """We chose it: what changes when is information, too."""
    readable = {1, 2}
    server = Server("rows")

    def may_see(context: SyncContext, number: int) -> bool:
        return number in readable

    permission = may_see if decides == "permission" else None

    @server.resource("test://rows/{number}", permission=permission)
    def row(number: int) -> str:
        if decides == "handler" and number not in readable:
            raise ObjectDoesNotExist("Row matching query does not exist.")
        return "row"

    async with (
        connect(server=server) as client,
        client.listening("test://rows/1", "test://rows/2"),
    ):
        # Not before: workers look that often whether they hear of each other.
        settings.MCP = {**settings.MCP, "RECHECK_SECONDS": 0}
        server.resource_updated("test://rows/1")
        assert await hear_update(client) == "test://rows/1"
        readable.remove(1)
        server.resource_updated("test://rows/1")
        server.resource_updated("test://rows/2")
        # Notices keep their order: this one was not preceded by another.
        assert await hear_update(client) == "test://rows/2"
        readable.add(1)
        server.resource_updated("test://rows/1")
        assert await hear_update(client) == "test://rows/1"
        readable.remove(2)
        server.resource_updated("test://rows/2", is_gone=True)  # asked too long ago
        server.resource_updated("test://rows/1")
        assert await hear_update(client) == "test://rows/1"
        settings.MCP = {**settings.MCP, "RECHECK_SECONDS": 1000}
        readable.clear()
        server.resource_updated("test://rows/1", is_gone=True)
        assert await hear_update(client) == "test://rows/1"


@only(until=LATEST_LEGACY)
async def test_row_that_may_not_be_read_cannot_be_subscribed_to(
    connect: Connect,
) -> None:
    """We chose it: it looks like a row that is not there."""
    server = Server("rows")

    @server.resource("test://rows/{number}", permission=lambda c, number: number == 1)
    def row(number: int) -> str:
        return "row"

    async with connect(server=server) as client:
        await client.subscribe("test://rows/1")
        for uri in ("test://rows/2", "test://rows/x", "test://nothing"):
            error = await error_of(client.subscribe(uri))
            assert error == types.ErrorData(
                code=-32002, message="Resource not found", data={"uri": uri}
            )


async def test_session_is_told_of_so_many_resources_at_most(
    connect: Connect, settings: Settings
) -> None:
    """We promise it: MCP["MAX_SUBSCRIPTIONS"], over every connection."""
    settings.MCP = {**settings.MCP, "MAX_SUBSCRIPTIONS": 2}
    server = Server("rows")
    server.resource("test://rows/{number}")(lambda number: number)
    uris = [f"test://rows/{number}" for number in range(3)]
    async with connect(server=server) as client:
        if client.is_modern:
            error = await error_of(listen_once(client, *uris))
            assert error.code == -32602
            assert error.message == "3 resource subscriptions; at most 2 are allowed"
            await listen_once(client, *uris[:2])
            return
        for uri in uris[:2]:
            await client.subscribe(uri)
        error = await error_of(client.subscribe(uris[2]))
        assert error == types.ErrorData(
            code=-32603, message="too many subscriptions; 2 are allowed"
        )
        await client.unsubscribe(uris[0])
        await client.subscribe(uris[2])


async def listen_once(client: Client, *uris: str) -> None:
    """Listen, and say at once that it is enough."""
    async with client.listening(*uris):
        pass


@only(until=LATEST_LEGACY)
async def test_resource_that_is_not_there_cannot_be_subscribed_to(
    connect: Connect,
) -> None:
    """We chose it: nobody waits for news of what does not exist."""
    async with connect() as client:
        error = await error_of(client.subscribe("test://nothing"))
        assert error.code == -32002


async def test_values_that_are_dangerous_in_a_path_are_refused(
    connect: Connect,
) -> None:
    """We promise it: to read and to subscribe, in words that say which."""
    fault = "Resource not found: the value of 'name' has '..' as a segment of a path"
    deeper = "test://days/2026-01-02/no/a%2F..%5Cb"
    async with connect(server=features.written) as client:
        code = -32602 if client.is_modern else -32002
        for uri in ("test://days/2026-01-02/no/%2e%2e", deeper):
            error = await error_of(client.session.read_resource(uri))
            assert (error.code, error.message) == (code, fault)
            assert error.data == {"uri": uri}
            if not client.is_modern:
                error = await error_of(client.subscribe(uri))
                assert (error.code, error.message) == (code, fault)


@NOTICED
async def test_clients_are_told_of_changed_lists(connect: Connect) -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification", and siblings."""
    async with connect() as client, client.listening():
        features.server.tools_changed()
        await client.hear(types.ToolListChangedNotification)
        features.server.resources_changed()
        await client.hear(types.ResourceListChangedNotification)
        features.server.prompts_changed()
        await client.hear(types.PromptListChangedNotification)


@NOTICED
async def test_changes_of_another_server_are_not_told(connect: Connect) -> None:
    """We promise it: several servers of a project have nothing to do with another."""
    async with connect() as client, client.listening():
        features.many.tools_changed()
        features.server.prompts_changed()
        await client.hear(types.PromptListChangedNotification)


async def test_prompt_that_is_denied_says_so(connect: Connect) -> None:
    """We promise it: as a view would; other programs read it, too."""
    async with connect() as client:
        arguments = {"name": "Bob", "style": "rude"}
        error = await error_of(client.session.get_prompt("greet", arguments))
        assert error == types.ErrorData(code=-32602, message="We greet nobody so.")


async def test_prompt_is_filled_in(connect: Connect) -> None:
    """Spec: 2025-11-25 server/prompts."""
    async with connect() as client:
        [prompt] = (await client.session.list_prompts()).prompts
        # Spec: 2025-06-18 schema.ts, `BaseMetadata`: titles came then.
        assert prompt.title == ("Greet" if client.version >= "2025-06-18" else None)
        assert prompt.arguments == [
            types.PromptArgument(name="name", description="Whom.", required=True),
            types.PromptArgument(name="style", description="How.", required=False),
        ]
        filled = await client.session.get_prompt("greet", {"name": "Bob"})
        assert filled.messages == [
            types.PromptMessage(
                role="user",
                content=types.TextContent(text="Write a kind greeting to Bob."),
            )
        ]


@pytest.mark.parametrize("name", ["greet", "nonsense"])
async def test_prompt_that_cannot_be_filled_in_is_a_protocol_error(
    connect: Connect, name: str
) -> None:
    """Spec: 2025-11-25 server/prompts, "Error Handling"."""
    async with connect() as client:
        error = await error_of(client.session.get_prompt(name))
        assert error.code == types.INVALID_PARAMS


@COMPLETED
async def test_prompt_argument_is_completed(connect: Connect) -> None:
    """Spec: 2025-11-25 server/utilities/completion."""
    async with connect() as client:
        completed = await client.session.complete(
            types.PromptReference(name="greet"), {"name": "style", "value": "k"}
        )
        assert completed.completion == types.Completion(
            values=["kind"], total=1, has_more=False
        )


@COMPLETED
async def test_template_variable_is_completed_with_the_others(connect: Connect) -> None:
    """Spec: 2025-11-25 server/utilities/completion, "Context"."""
    async with connect() as client:
        completed = await client.session.complete(
            types.ResourceTemplateReference(uri="test://books/{shelf}/{number}"),
            {"name": "number", "value": "4"},
            {"shelf": "top"},
        )
        assert completed.completion.values == ["40", "41", "42"]


@COMPLETED
async def test_unknown_reference_cannot_be_completed(connect: Connect) -> None:
    """Spec: 2025-11-25 server/utilities/completion, "Error Handling"."""
    async with connect() as client:
        error = await error_of(
            client.session.complete(
                types.PromptReference(name="nonsense"), {"name": "style", "value": ""}
            )
        )
        assert error.code == types.INVALID_PARAMS
