"""What the fixture site offers.

The features named `test_...` and the URIs `test://...` are those that the official
conformance suite calls, with its literal names, arguments and texts; those that ask
the client are in `asking`. The rest serves the live tests and the bench.
"""

import asyncio
import os
import subprocess
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any

from django.contrib.auth import get_user_model
from django.db import OperationalError
from mcp_types import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    PromptMessage,
    TextContent,
    TextResourceContents,
)
from mcp_types.jsonrpc import RequestId
from pydantic import Field

from mcp_django import Context, ErrorAnswer, Server, SyncContext, ToolError
from mcp_django.sessions.registry import Registry
from mcp_django.worker.worker import current_worker
from tests.conformance import asking

MISSING_CAPABILITY = -32021
"""Spec: 2026-07-28 schema.ts, `MISSING_REQUIRED_CLIENT_CAPABILITY`."""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
"""An image of one pixel."""

WAV = (
    b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    b"\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x08\x00\x00\x00"
    + b"\x80"
    * 8
)
"""A millisecond of silence."""

MIRRORED = Field(json_schema_extra={"x-mcp-header": "Region"})
"""An argument that is repeated in `Mcp-Param-Region`.

Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers".
"""

server = Server(
    "conformance",
    version="1.0.0",
    title="Conformance fixture",
    instructions="Features for tests of clients and servers.",
)


def image() -> ImageContent:
    return ImageContent(data=b64encode(PNG).decode(), mime_type="image/png")


def audio() -> AudioContent:
    return AudioContent(data=b64encode(WAV).decode(), mime_type="audio/wav")


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(
        resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    )


# Tools of the suite -----------------------------------------------------------------

# The suite calls whatever tool is listed first, without arguments.


@server.tool
def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@server.tool
def test_image_content() -> ImageContent:
    """Return an image."""
    return image()


@server.tool
def test_audio_content() -> AudioContent:
    """Return a sound."""
    return audio()


@server.tool
def test_embedded_resource() -> EmbeddedResource:
    """Return a resource as content."""
    return embedded(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    )


@server.tool
def test_multiple_content_types() -> list[ContentBlock]:
    """Return a text, an image and a resource."""
    return [
        TextContent(text="Multiple content types test:"),
        image(),
        embedded(
            "test://mixed-content-resource",
            "application/json",
            '{"test": "data", "value": 123}',
        ),
    ]


@server.tool
def test_error_handling() -> str:
    """Fail, and say why."""
    raise ToolError("This tool intentionally returns an error for testing")


@server.tool
async def test_tool_with_progress(context: Context) -> str:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await context.report_progress(progress, 100)
        await asyncio.sleep(0.05)
    return "Progress was reported."


@server.tool
async def test_tool_with_logging(context: Context) -> str:
    """Log three messages."""
    for text in ("Tool started", "Tool is working", "Tool is done"):
        await context.log("info", text)
        await asyncio.sleep(0.05)
    return "Messages were logged."


@server.tool
async def test_logging_tool(context: Context) -> str:
    """Log a message, for those who want to see any."""
    await context.log("info", "The tool was called")
    return "A message was logged."


for ask in asking.TOOLS:
    server.tool(structured=False)(ask)


@server.tool
async def test_reconnection(context: Context) -> str:
    """End the response before there is a result; the client has to come back."""
    await context.close_stream(retry_ms=500)
    return "Reconnection test completed."


@server.tool
def test_trigger_tool_change() -> str:
    """Tell clients that the list of tools changed."""
    server.tools_changed()
    return "Clients were told."


@server.tool
def test_trigger_prompt_change() -> str:
    """Tell clients that the list of prompts changed."""
    server.prompts_changed()
    return "Clients were told."


@server.tool
def test_x_mcp_header(region: Annotated[str, MIRRORED] = "") -> str:
    """Take an argument that clients repeat in a header."""
    return f"Region: {region}"


@server.tool(
    structured=False,
    input_schema={
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {
                    "street": {"type": "string"},
                    "city": {"type": "string"},
                },
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {
            "properties": {"contactMethod": {"const": "phone"}},
            "required": ["contactMethod"],
        },
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)
def json_schema_2020_12_tool(**arguments: Any) -> str:
    """Take arguments that a verbatim JSON Schema describes."""
    return f"JSON Schema 2020-12 tool called with: {arguments}"


@server.tool
def test_missing_capability(context: SyncContext) -> str:
    """Insist on a client that has a model to ask."""
    if context.client_capabilities.sampling is None:
        raise ErrorAnswer(
            MISSING_CAPABILITY,
            "Missing required client capability: sampling",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return "The client declared sampling."


# Resources of the suite -------------------------------------------------------------


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image that never changes."""
    return PNG


@server.resource("test://template/{id}/data", mime_type="application/json")
def template_data(id: str) -> dict[str, Any]:
    """Data about whatever the URI names."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@server.resource("test://watched-resource", mime_type="text/plain")
def watched_resource() -> str:
    """A text that clients can subscribe to."""
    return "Watched resource content"


# Prompts of the suite ---------------------------------------------------------------


@server.prompt
def test_simple_prompt() -> str:
    """Say something simple."""
    return "This is a simple prompt for testing."


@server.prompt
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Repeat two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt
def test_prompt_with_embedded_resource(resourceUri: str) -> list[PromptMessage | str]:
    """Hand over a resource."""
    resource = embedded(
        resourceUri, "text/plain", "Embedded resource content for testing."
    )
    return [
        PromptMessage(role="user", content=resource),
        "Please process the embedded resource above.",
    ]


@server.prompt
def test_prompt_with_image() -> list[PromptMessage | str]:
    """Hand over an image."""
    return [
        PromptMessage(role="user", content=image()),
        "Please analyze the image above.",
    ]


server.prompt(asking.test_input_required_result_prompt)


@server.completion(test_prompt_with_arguments, "arg1")
def complete_arg1(value: str) -> list[str]:
    """Suggest values that begin like the one typed so far."""
    return [word for word in ("paris", "test", "tester") if word.startswith(value)]


# For the live tests and the bench ---------------------------------------------------


@dataclass
class SlowEchoes:
    """The calls of `slow_echo` of this process.

    Attributes:
        running: Request ids of those that run now.
        begun: How many ever began.
    """

    running: list[RequestId]
    begun: int


calls = SlowEchoes([], 0)


@server.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
async def echo(text: str) -> str:
    """Return the text."""
    return text


@server.tool
async def slow_echo(text: str, delay: float, context: Context) -> str:
    """Return the text after a delay in seconds."""
    calls.begun += 1
    calls.running.append(context.request_id)
    try:
        await asyncio.sleep(delay)
    finally:
        calls.running.remove(context.request_id)
    return text


@server.tool
def slow_sync(delay: float) -> str:
    """Occupy a thread for so many seconds."""
    time.sleep(delay)
    return "done"


@server.tool
def count_rows() -> int:
    """Count the users in the database."""
    try:
        return get_user_model().objects.count()
    except OperationalError as error:
        raise ToolError(
            "The database has no tables yet; run `python manage.py migrate "
            "--settings tests.conformance.settings` once."
        ) from error


@server.tool
async def big_text(size: int) -> str:
    """Return so many letters."""
    return "x" * size


@server.tool
def touch(uri: str) -> str:
    """Tell subscribed clients that a resource changed."""
    server.resource_updated(uri)
    return "touched"


@server.resource("test://users/{username}", mime_type="application/json")
def user_data(username: str) -> dict[str, str]:
    """What the site knows of a user."""
    user = get_user_model().objects.get(username=username)
    return {"username": username, "email": user.email}


server.watch(get_user_model(), user_data)


@server.tool
def save_user(username: str, email: str) -> str:
    """Save a user, who is made if there is none of this name."""
    get_user_model().objects.update_or_create(
        username=username, defaults={"email": email}
    )
    return "saved"


@server.tool
async def leave_and_ask(context: Context) -> str:
    """End the response, then ask; the client has to come back for the question."""
    await context.close_stream()
    answer = await context.elicit("Shall I go on?", asking.form(go_on="boolean"))
    return f"The user said: {answer.action}"


@server.tool
def name_user(context: SyncContext) -> str:
    """Name the user who asks, with nothing for nobody."""
    return context.user.get_username()


@server.tool
def shout(text: str) -> str:
    """Write a text to standard output, in every way there is."""
    print(text, flush=True)  # noqa: T201 - this is what the tool is for
    print(text)  # noqa: T201 - and waits in a buffer
    os.write(1, f"{text}\n".encode())
    subprocess.run(["echo", text], check=True)
    return "shouted"


@server.tool
async def open_sessions() -> int:
    """Count the sessions that this process holds."""
    return len(current_worker().part(Registry))


@dataclass
class Holdings:
    """What this process has open.

    Attributes:
        connections: Streams, and calls that wait for something.
        listeners: Who wants change notices of any session's.
        tasks: Of asyncio.
    """

    connections: int
    listeners: int
    tasks: int


@server.tool
async def holdings() -> Holdings:
    """Tell what this process has open, for this call as well."""
    worker = current_worker()
    return Holdings(
        connections=len(worker.connections),
        listeners=len(worker.listeners),
        tasks=len(asyncio.all_tasks()),
    )


@server.tool
async def slow_echoes() -> SlowEchoes:
    """Tell of the calls of `slow_echo`."""
    return calls
