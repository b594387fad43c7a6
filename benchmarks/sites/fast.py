"""A server by FastMCP: ASGI applications."""

from fastmcp import FastMCP

server = FastMCP("fastmcp")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# JSON, as ours answers: faster than the event stream that it sends by default.
application = server.http_app(json_response=True)
sse = server.http_app(transport="sse")
