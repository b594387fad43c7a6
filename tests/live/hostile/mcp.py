"""Features that take what is hard to check."""

from __future__ import annotations

from typing import Any

from mcp_django import Server

server = Server("hostile")

_TREE = {
    "anyOf": [
        {"type": "integer", "multipleOf": 2},
        {"type": "array", "items": {"$ref": "#/$defs/tree"}},
    ]
}


@server.tool(
    input_schema={
        "type": "object",
        "$defs": {"tree": _TREE},
        "properties": {
            "unlike": {"type": "array", "uniqueItems": True},
            "pattern": {"type": "string", "pattern": r"^(\d+,?)+$"},
            "lookahead": {"type": "string", "pattern": "^(?=(a|aa)+$)"},
            "tree": {"$ref": "#/$defs/tree"},
        },
    }
)
async def verbatim(**given: Any) -> str:
    return "taken"


@server.tool
async def typed(values: list[int | bool | float]) -> str:
    return "taken"


@server.resource("file:///{+path}")
async def pages(path: str) -> str:
    return path


for number in range(10):

    @server.resource(f"shop://things{number}/{{id}}", name=f"things_{number}")
    async def things(id: str) -> str:
        return id
