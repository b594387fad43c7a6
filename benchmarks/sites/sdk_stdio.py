"""A server by the official SDK on standard input and output."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk", log_level="ERROR")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


if __name__ == "__main__":
    server.run("stdio")
