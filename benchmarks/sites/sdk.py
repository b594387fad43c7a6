"""A server by the official SDK: ASGI applications, and stdio when it is run."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk", log_level="ERROR")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# JSON, as ours answers: faster than the event stream that the SDK sends by default.
application = server.streamable_http_app(json_response=True)
sse = server.sse_app()

if __name__ == "__main__":
    server.run("stdio")
