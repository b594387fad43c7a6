"""Whether structured results are what their tool promised.

Spec: 2025-11-25 server/tools, "Output Schema": clients should validate them.
"""

from __future__ import annotations

from typing import Any

from jsonschema import SchemaError
from mcp_types import CallToolResult, Tool
from referencing.exceptions import Unresolvable

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.foreign_schemas import find_fault

logger = FaultLog("mcp_django.client")


def check_output(tool: Tool, result: CallToolResult) -> None:
    """Refuse a result that does not fit the output schema of its tool.

    References to other documents are not followed. What would take long is not
    checked to the end: it is passed on, and the log says so.

    Raises:
        RemoteProtocolError: The result, or the schema, is wrong.

    Spec: 2026-07-28 basic, "`$ref` Resolution".
    """
    schema: Any = tool.output_schema
    if schema is None or result.is_error:
        return
    name = tool.name[:100]
    # Not whether it is None: null may be what was promised.
    if "structured_content" not in result.model_fields_set:
        raise RemoteProtocolError(
            f"tool {name!r} has an output schema, but its result has no "
            "structuredContent"
        )
    try:
        fault = find_fault(schema, result.structured_content)
    except TooMuchWork as error:
        # The tool has run, and nothing is known to be wrong.
        logger.warning(
            "a result of tool %r is not checked, as its schema %s", name, error, of=name
        )
        return
    except SchemaError as error:
        raise RemoteProtocolError(
            f"the output schema of tool {name!r} is no JSON Schema: "
            f"{error.message:.500}"
        ) from None
    except Unresolvable as error:
        raise RemoteProtocolError(
            f"the output schema of tool {name!r} refers to what is not in it, and "
            f"other documents are not fetched: {error!s:.200}"
        ) from None
    except Exception as error:
        # Such as references that turn in circles.
        raise RemoteProtocolError(
            f"the output schema of tool {name!r} cannot be used: {error!r:.200}"
        ) from error
    if fault is not None:
        raise RemoteProtocolError(
            f"the result of tool {name!r} does not fit its output schema: "
            f"{fault.json_path}: {fault.message:.500}"
        )
