"""A server whose code raises what its clients say, and its authenticator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from django.http import HttpRequest
from pydantic import AfterValidator

from mcp_django import Context, Server, SyncContext
from mcp_django.auth.interface import Authenticator, Identity
from tests.server.stray_errors import STRAYS

server = Server("straying")
urlpatterns = server.urls("mcp")  # this module is the URLconf as well


def stray(kind: str) -> None:
    """Raise what is named, if anything is."""
    if kind in STRAYS:
        raise STRAYS[kind]()


class ByHeader(Authenticator):
    """Raises what `X-Stray` names, at once or, with "later ", when asked again."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Believe everybody."""
        kind = request.headers.get("X-Stray", "")
        from django.contrib.auth.models import User  # needs the app registry

        stray(kind)
        return Identity(User(pk=1, username="ann"), self, kind)

    def is_still_valid(self, identity: Identity) -> bool:
        """Go on believing, or raise."""
        stray(str(identity.credential).removeprefix("later "))
        return True


@server.around
async def fail_around(context: Context) -> AsyncIterator[None]:
    """Raise after the handler."""
    yield
    stray(str(context.arguments.get("around")))


@server.tool
def fail(kind: str) -> str:
    """Raise in a thread."""
    stray(kind)
    return "fine"


@server.tool
async def fail_async(kind: str) -> str:
    """Raise in the event loop."""
    stray(kind)
    return "fine"


@server.tool
async def fail_later(kind: str, context: Context) -> str:
    """Raise once the answer has begun."""
    await context.report_progress(1, 2)
    stray(kind)
    return "fine"


@server.tool
def fail_around_it(around: str) -> str:
    """Leave it to what surrounds the handler."""
    return "fine"


def check(kind: str) -> str:
    stray(kind)
    return kind


@server.tool
async def fail_to_read(kind: Annotated[str, AfterValidator(check)]) -> str:
    """Raise while the arguments are read."""
    return "fine"


@server.tool
def fail_to_write(kind: str) -> Any:
    """Raise while the result is written."""

    def items() -> Any:
        yield "one"
        stray(kind)

    return items()


def may(context: SyncContext, kind: str) -> bool:
    """Raise while it is decided."""
    stray(kind)
    return True


@server.tool(permission=may)
def fail_to_decide(kind: str) -> str:
    """Leave it to the permission."""
    return "fine"
