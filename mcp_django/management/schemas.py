"""Values and JSON Schemas of servers, before they are sent."""

from __future__ import annotations

from jsonschema import ValidationError

from mcp_django.protocol.foreign_schemas import find_fault
from mcp_django.protocol.jsonrpc import JSON


def find_local_fault(schema: JSON, value: JSON) -> ValidationError | None:
    """Say what of a value does not fit the schema of a server, before it is sent.

    None also if the schema cannot be used; the server will say what it does not like.
    """
    try:
        return find_fault(schema, value)
    except Exception:  # whatever a schema does to the library that reads it
        return None
