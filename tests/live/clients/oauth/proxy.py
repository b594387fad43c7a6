"""A client program behind mcp-remote, which logs in with OAuth for it.

::

    python proxy.py URL NODE MCP_REMOTE

It speaks over standard streams to mcp-remote, and that over HTTP to the server. See the
package for what it is told and says; what mcp-remote logs goes to standard error.
"""

import re
import sys
import threading
from os import environ, fdopen, pipe
from typing import Any, TextIO

import anyio
from conversation import describe, obey, say, text_of
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

ADDRESS = re.compile(r"https?://\S+/authorize\S*")


def watch(log: TextIO) -> None:
    """Say where the user shall go, whenever the log asks for it."""
    is_asked = False
    for line in log:
        sys.stderr.write(line)
        found = ADDRESS.search(line)
        if is_asked and found:
            say(open=found.group())
        is_asked = "visiting:" in line


async def main(url: str, node: str, mcp_remote: str) -> None:
    """Log in, and obey."""
    read_end, write_end = pipe()
    threading.Thread(target=watch, args=[fdopen(read_end)], daemon=True).start()
    parameters = StdioServerParameters(
        command=node, args=[mcp_remote, url], env=dict(environ)
    )
    try:
        async with (
            stdio_client(parameters, errlog=fdopen(write_end, "w")) as streams,
            ClientSession(*streams) as session,
        ):
            await session.initialize()

            async def call(name: str, arguments: dict[str, Any]) -> str:
                return text_of(await session.call_tool(name, arguments))

            say(text="logged in")
            await obey(call, lambda: None)
    except BaseException as error:
        say(error=describe(error))


anyio.run(main, *sys.argv[1:])
