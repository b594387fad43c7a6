"""Checks of the servers that were found and their tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.core import checks

from mcp_django.server.discovery import all_servers
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.features import check_name
from mcp_django.server.routes import all_endpoints
from mcp_django.server.server import Server


def check_servers(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find servers and tools that clients cannot tell apart or will not take.

    Registering refuses most of it; what is put into `Server.tools` by hand is not.
    """
    servers = known_servers()
    by_name: dict[str, list[Server]] = defaultdict(list)
    for server in servers:
        by_name[server.name].append(server)
    messages: list[checks.CheckMessage] = [
        checks.Error(
            f"{len(namesakes)} servers are named {name!r}; sessions and commands tell "
            "servers apart by their names.",
            hint="Give each Server(...) a name of its own.",
            obj=namesakes[-1],
            id="mcp_django.E010",
        )
        for name, namesakes in by_name.items()
        if len(namesakes) > 1
    ]
    for server in servers:
        messages += _faults_of_tools(server)
    return messages


def known_servers() -> list[Server]:
    """Give the servers that were found in modules or the URLconf, each once."""
    servers = {id(server): server for server in all_servers()}
    servers |= {
        id(endpoint.server): endpoint.server for endpoint in readable_endpoints()
    }
    return list(servers.values())


def _faults_of_tools(server: Server) -> Iterator[checks.CheckMessage]:
    shown: set[str] = set()
    for key, tool in server.tools.items():
        name = str(tool.entry.get("name"))
        try:
            check_name("tool", name)
        except ValueError as error:
            fault = str(error).partition(";")[0]
            yield _tool_fault(
                server, fault, "mcp_django.E011", "Clients refuse other names."
            )
        if name in shown:
            fault = f"two tools are shown to clients as {name!r}"
            yield _tool_fault(
                server, fault, "mcp_django.E012", "Give one another name."
            )
        elif key != name:
            fault = f"the tool shown to clients as {name!r} is called by {key!r}"
            yield _tool_fault(
                server, fault, "mcp_django.E012", "Register it by @server.tool."
            )
        shown.add(name)


def _tool_fault(server: Server, fault: str, id: str, hint: str) -> checks.CheckMessage:
    return checks.Error(f"{fault}.", hint=hint, obj=server, id=id)


def readable_endpoints() -> list[Endpoint]:
    """Give the MCP endpoints of the URLconf, none if that cannot be read."""
    try:
        return all_endpoints()
    except Exception:  # Django's own URL checks say what is wrong.
        return []
