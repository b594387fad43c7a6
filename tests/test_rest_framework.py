"""Exceptions of Django's REST framework, raised by handlers.

Nothing of ours imports it; a site that has it may call what raises them.
"""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from mcp_types.jsonrpc import INVALID_PARAMS
from rest_framework import exceptions as rest

from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.server.server import Server
from tests.server.calls import LATEST, MODERN, Caller

EXCEPTIONS: dict[str, tuple[Exception, int, str]] = {
    "404": (rest.NotFound(), 404, "Not found"),
    "404 with a text": (rest.NotFound("No such order"), 404, "No such order"),
    "403": (rest.PermissionDenied("Staff only"), 403, "Staff only"),
    "401": (rest.NotAuthenticated("Who is it?"), 401, "Who is it?"),
    "unfit fields": (
        rest.ValidationError(
            {
                "name": ["Too short", "Taken"],
                "lines": [{}, {"sku": ["Unknown"]}],
                "non_field_errors": ["Closed"],
            }
        ),
        400,
        "name: Too short Taken; lines[1].sku: Unknown; Closed",
    ),
    "a throttled request": (
        rest.Throttled(wait=5, detail="Slow down."),
        429,
        "Slow down. Expected available in 5 seconds.",
    ),
    "a failure": (
        rest.APIException("The bank is closed."),
        500,
        "The bank is closed.",
    ),
}


def server_that_raises(error: Exception) -> Server:
    """Make a server whose handlers raise the same."""
    server = Server("shop")

    @server.tool
    def tool() -> None:
        raise error

    @server.resource("shop://terms")
    async def terms() -> None:
        raise error

    return server


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(
    ("error", "status", "text"), EXCEPTIONS.values(), ids=EXCEPTIONS
)
async def test_its_details_are_told(
    version: str, error: Exception, status: int, text: str
) -> None:
    """We chose it: they are what the site's own API would say."""
    caller = Caller(server_that_raises(error), version=version)

    assert await caller.call_tool("tool") == {
        "content": [{"type": "text", "text": text}],
        "isError": True,
    }
    answer = await caller.error_of("resources/read", {"uri": "shop://terms"})
    if status == 404:
        code = INVALID_PARAMS if version == MODERN else RESOURCE_NOT_FOUND
        assert (answer.code, answer.message) == (code, "Resource not found")
    else:
        assert (answer.code, answer.message) == (INVALID_PARAMS, text)


async def test_failure_is_logged_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """We chose it: as the framework's view would be."""
    caller = Caller(server_that_raises(rest.APIException("The bank is closed.")))

    await caller.call_tool("tool")

    [record] = [r for r in caplog.records if r.name == "django.request"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_it_is_not_imported_for_this() -> None:
    """We chose it: many sites have it installed for others."""
    code = (
        "import sys, django, mcp_django.server.django_errors as errors;"
        "assert errors.Refusal.of(ValueError()) is None;"
        "assert not any(name.startswith('rest_framework') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
