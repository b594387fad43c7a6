"""The server, its tools, and its URL."""

import msgspec
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import path
from django_mcpz.server import MCPServer, public

server = MCPServer(name="mcpz", version="1.0.0", auth=public)


class Numbers(msgspec.Struct):
    """The arguments of `add`."""

    a: int
    b: int


class Sum(msgspec.Struct):
    """The result of `add`."""

    result: int


@server.tool(description="Add two numbers.")
def add(request: HttpRequest, params: Numbers) -> Sum:
    """Add two numbers."""
    return Sum(params.a + params.b)


@server.tool(description="Count the users in the database.")
def count_rows(request: HttpRequest) -> Sum:
    """Count the users in the database."""
    return Sum(get_user_model().objects.count())


urlpatterns = [path("mcp", server)]
