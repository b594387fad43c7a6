"""What a project tests its servers with.

`MCPClient` and `AsyncMCPClient` use a server in memory, `MCPLiveServerTestCase` and the
`fixtures` for pytest a real Daphne. `client`, `async_client` and
`live` have those; `connection` joins client and server in memory, `callers_thread` runs
handlers where the test is, `failures` shows it what they raised, and `process` starts
the Daphne, which runs `process_main`. It stands on top of all layers, and none of them
imports it.
"""

from mcp_django.testing.async_client import AsyncMCPClient
from mcp_django.testing.client import MCPClient
from mcp_django.testing.live import MCPLiveServer, MCPLiveServerTestCase

__all__ = ["AsyncMCPClient", "MCPClient", "MCPLiveServer", "MCPLiveServerTestCase"]
