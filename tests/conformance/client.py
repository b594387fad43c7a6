"""The client that the official conformance suite tests.

The suite runs this once for each scenario, and names the scenario in the environment::

    MCP_CONFORMANCE_SCENARIO=tools_call python -m tests.conformance.client URL

It does with the server what anybody could do with `Client`. What the server speaks is
left to the client to find out, although MCP_CONFORMANCE_PROTOCOL_VERSION says it too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
import httpx2
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    TextContent,
    Tool,
)

from mcp_django import Client, LoginFailed, OAuthError, OAuthFault, OAuthRefused
from mcp_django.client.oauth import (
    Assertion,
    ClientCredentials,
    Grant,
    OAuth,
    Receiver,
    Redirect,
    RegisteredClient,
)

Context: TypeAlias = Mapping[str, Any]
"""What the suite says about a scenario; empty for most."""

FINISHED: Final = "finished"
"""Printed when all was done, for whoever judges the run."""

_EXAMPLES: Final[Mapping[str, object]] = {
    "string": "example",
    "integer": 2,
    "number": 2.5,
    "boolean": True,
    "object": {},
    "array": [],
}
"""Value to give for each type of JSON Schema."""


async def list_tools(client: Client, context: Context) -> None:
    """List the tools, and call none."""
    await client.list_tools()


async def call_tools(client: Client, context: Context) -> None:
    """Call all tools that the client lists, at the same time."""
    async with anyio.create_task_group() as calls:
        for tool in await client.list_tools():
            calls.start_soon(client.call_tool, tool.name, _example_arguments(tool))


async def use_all(client: Client, context: Context) -> None:
    """Call, read and get whatever the client lists."""
    await call_tools(client, context)
    for resource in await client.list_resources():
        await client.read_resource(resource.uri)
    for prompt in await client.list_prompts():
        await client.get_prompt(prompt.name)


async def call_as_told(client: Client, context: Context) -> None:
    """Make the calls that the suite prescribes, once the tools are known."""
    await client.list_tools()
    for call in context["toolCalls"]:
        await client.call_tool(call["name"], call["arguments"])


async def send_schema_back(client: Client, context: Context) -> None:
    """Give one tool the schema of the other, as the client lists it."""
    tools = {tool.name: tool for tool in await client.list_tools()}
    schema = tools["json_schema_2020_12_tool"].input_schema
    await client.call_tool("json_schema_echo", {"schema": schema})


_DO: Final[Mapping[str, Callable[[Client, Context], Awaitable[None]]]] = {
    "auth": call_tools,
    "elicitation-sep1034-client-defaults": call_tools,
    "http-custom-headers": call_as_told,
    "http-invalid-tool-headers": call_tools,
    "http-standard-headers": use_all,
    "initialize": list_tools,
    "json-schema-2020-12-preservation": send_schema_back,
    "json-schema-ref-no-deref": list_tools,  # the server there has only the list
    "request-metadata": list_tools,
    "sep-2322-client-request-state": call_tools,
    "sse-retry": call_tools,
    "tools_call": call_tools,
}
"""What to do in each scenario."""


async def fill_in(
    form: ElicitRequestFormParams | ElicitRequestURLParams,
) -> ElicitResult:
    """Accept a form with its defaults, as a user who changes nothing."""
    if isinstance(form, ElicitRequestURLParams):
        return ElicitResult(action="decline")
    fields = form.requested_schema["properties"]
    content = {
        name: field["default"] for name, field in fields.items() if "default" in field
    }
    return ElicitResult(action="accept", content=content)


async def sample(params: CreateMessageRequestParams) -> CreateMessageResult:
    """Answer as a very small language model."""
    text = TextContent(type="text", text="yes")
    return CreateMessageResult(role="assistant", content=text, model="none")


async def run(scenario: str, url: str, context: Context) -> None:
    """Do one scenario.

    Args:
        scenario: Its name in the suite.
        url: Endpoint of the suite's server.
        context: What the suite says about it.
    """
    do = _DO["auth" if scenario.startswith("auth/") else scenario]
    version = "none"
    try:
        async with Client(
            url,
            auth=_auth_for(scenario, context),
            on_elicit=fill_in,
            on_sample=sample,
            roots=["file:///tmp"],
        ) as client:
            version = client.version
            await do(client, context)
    except OAuthError as error:
        # The suite's server lies there, and must be found out.
        if not isinstance(error, _REFUSED.get(scenario, ())):
            raise
        sys.stdout.write(f"refused to go on, as it should: {error}\n")
    else:
        assert scenario not in _REFUSED, "the client believed a server that lies"
    sys.stdout.write(f"{FINISHED} in version {version}\n")


# Logging in -------------------------------------------------------------------------

_REFUSED: Final[Mapping[str, type[OAuthError]]] = {
    "auth/iss-normalized": LoginFailed,
    "auth/iss-supported-missing": LoginFailed,
    "auth/iss-unexpected": LoginFailed,
    "auth/iss-wrong-issuer": LoginFailed,
    "auth/metadata-issuer-mismatch": OAuthFault,
    "auth/resource-mismatch": OAuthFault,
    "auth/scope-retry-limit": OAuthRefused,
}
"""Scenarios in which the client has to give up, and by what."""

_CALLBACK: Final = "http://localhost:3000/callback"
_METADATA_URL: Final = "https://conformance-test.local/client-metadata.json"
"""What the suite expects as client id where it takes metadata documents."""


class _Browser(Redirect, Receiver):
    """A user who says yes at once: the suite's page redirects without a question."""

    uri = _CALLBACK

    @asynccontextmanager
    async def receive(self, registered: str | None = None) -> AsyncIterator[Receiver]:
        yield self

    async def visit(self, url: str) -> str:
        async with httpx2.AsyncClient() as http:
            response = await http.get(url)
        return httpx2.URL(response.headers["location"]).query.decode()


def _auth_for(scenario: str, context: Context) -> OAuth | None:
    """Give what the client logs in with, where a scenario is about that."""
    if not scenario.startswith("auth/"):
        return None
    client = _registered(context) if "client_id" in context else None
    if (grant := _grant_for(scenario, context)) is not None:
        return OAuth(client=client, grant=grant)
    return OAuth(redirect=_Browser(), client=client, client_metadata_url=_METADATA_URL)


def _registered(context: Context) -> RegisteredClient:
    return RegisteredClient(
        context["client_id"],
        secret=context.get("client_secret"),
        private_key=context.get("private_key_pem"),
        algorithm=context.get("signing_algorithm", "ES256"),
    )


def _grant_for(scenario: str, context: Context) -> Grant | None:
    match scenario:
        case "auth/client-credentials-basic" | "auth/client-credentials-jwt":
            return ClientCredentials()
        case "auth/wif-jwt-bearer":
            return Assertion(partial(_workload_token, context))
        case "auth/enterprise-managed-authorization":
            return Assertion(partial(_exchanged_token, context))
        case _:
            return None


async def _workload_token(context: Context, issuer: str, resource: str) -> str:
    """Give what the platform that the client runs on says of it."""
    token: str = context["valid_jwt"]
    return token


async def _exchanged_token(context: Context, issuer: str, resource: str) -> str:
    """Let the user's identity provider say who they are, for an issuer and a resource.

    Spec: RFC 8693; the extension "Enterprise-Managed Authorization".
    """
    urn = "urn:ietf:params:oauth"
    form = {
        "grant_type": f"{urn}:grant-type:token-exchange",
        "requested_token_type": f"{urn}:token-type:id-jag",
        "subject_token_type": f"{urn}:token-type:id_token",
        "subject_token": context["idp_id_token"],
        "audience": issuer,
        "resource": resource,
        "client_id": context["idp_client_id"],
    }
    async with httpx2.AsyncClient() as http:
        response = await http.post(context["idp_token_endpoint"], data=form)
    token: str = response.raise_for_status().json()["access_token"]
    return token


def _example_arguments(tool: Tool) -> dict[str, object]:
    """Make up a value for each argument."""
    properties = tool.input_schema.get("properties", {})
    return {
        name: _EXAMPLES.get(schema.get("type")) for name, schema in properties.items()
    }


if __name__ == "__main__":
    [_, url] = sys.argv
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    anyio.run(run, os.environ["MCP_CONFORMANCE_SCENARIO"], url, context)
