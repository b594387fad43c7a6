"""A client program by the official Python SDK, 1.x or 2.x, that logs in with OAuth.

::

    python sdk.py URL

See the package for what it is told and says.
"""

import sys
from importlib.metadata import version
from typing import Any

import anyio
from conversation import Callback, describe, obey, say, text_of
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata

IS_SDK_1 = version("mcp").startswith("1.")


class Storage:
    """Keeps tokens as long as the program runs."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        """Give the tokens, None if there are none."""
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        """Give what the client is registered as, None if it is not."""
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        """Keep what the client is registered as."""
        self.client = client_info


async def main(url: str) -> None:
    """Log in, and obey."""
    callback = Callback()

    async def show(authorization_url: str) -> None:
        say(open=authorization_url)

    async def wait() -> Any:
        found = await callback.wait()
        if IS_SDK_1:
            return found["code"], found.get("state")
        from mcp.client.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(
            code=found["code"], state=found.get("state"), iss=found.get("iss")
        )

    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": f"Python SDK {version('mcp')}",
            "redirect_uris": [callback.url],
            "token_endpoint_auth_method": "none",
        }
    )
    auth = OAuthClientProvider(url, metadata, Storage(), show, wait)

    def expire() -> None:
        auth.context.token_expiry_time = 1.0

    try:
        async with (
            create_mcp_http_client(auth=auth) as http,
            streamable_http_client(url, http_client=http) as (reading, writing, *_),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()

            async def call(name: str, arguments: dict[str, Any]) -> str:
                return text_of(await session.call_tool(name, arguments))

            say(text="logged in")
            await obey(call, expire)
    except BaseException as error:
        say(error=describe(error))


anyio.run(main, sys.argv[1])
