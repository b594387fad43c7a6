"""A client program by FastMCP that logs in with OAuth.

::

    python fastmcp_client.py URL

FastMCP opens the user's browser and hears of the end itself. See the package for what
the program is told and says.
"""

import sys
import warnings
import webbrowser
from typing import Any

import anyio
from conversation import describe, obey, say, text_of
from fastmcp import Client
from fastmcp.client.auth import OAuth


class Browser(webbrowser.BaseBrowser):
    """Lets the test be the user."""

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        """Say where the user shall go."""
        say(open=url)
        return True


async def main(url: str) -> None:
    """Log in, and obey."""
    auth = OAuth(client_name="FastMCP")
    try:
        async with Client(url, auth=auth) as client:

            async def call(name: str, arguments: dict[str, Any]) -> str:
                return text_of(await client.call_tool(name, arguments))

            def expire() -> None:
                auth.context.token_expiry_time = 1.0

            say(text="logged in")
            await obey(call, expire)
    except BaseException as error:
        say(error=describe(error))


warnings.simplefilter("ignore")
webbrowser.register("test", Browser, preferred=True)
anyio.run(main, sys.argv[1])
