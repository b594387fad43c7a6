"""A server whose handlers use the database, and tell where they run."""

from __future__ import annotations

import threading

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from pydantic import BaseModel

from mcp_django import Context, ErrorAnswer, Server, SyncContext, ToolError

server = Server("library")

committed: list[str] = []
"""Names of shelves that were committed; tests clear it."""


class Name(BaseModel):
    """The form that asks for the name of a shelf."""

    name: str


@server.tool
def shelves() -> list[str]:
    """List the shelves."""
    return list(Group.objects.order_by("name").values_list("name", flat=True))


@server.tool
async def count_shelves() -> int:
    """Count the shelves, without a thread of its own."""
    return await Group.objects.acount()


@server.tool(permission="auth.add_group")
def add_shelf(name: str) -> int:
    """Add a shelf, and note when that is committed."""
    shelf = Group.objects.create(name=name)
    transaction.on_commit(lambda: committed.append(name))
    server.resource_updated("library://shelves")
    return int(shelf.pk)


@server.tool(atomic=True)
def add_in_vain(name: str) -> None:
    """Add a shelf, and fail."""
    Group.objects.create(name=name)
    raise ToolError("The wood is rotten.")


@server.tool
async def add_as_the_user_likes(context: Context) -> str:
    """Add a shelf with the name that the user gives."""
    answer = await context.elicit("Which name?", Name)
    if not answer.accepted:
        raise ToolError("The user wants no shelf.")
    await Group.objects.acreate(name=answer.data.name)
    return str(answer.data.name)


@server.tool
def thread_of_def() -> int:
    """Tell the thread of a function."""
    return threading.get_ident()


@server.tool
def who(context: SyncContext) -> dict[str, str]:
    """Tell who asks, and what the request says."""
    return {
        "user": context.user.get_username(),
        "client": context.client_info.name,
        "language": context.headers.get("accept-language", ""),
        "version": context.protocol_version,
    }


@server.tool
def read_setting(name: str) -> str:
    """Read a setting."""
    return str(getattr(settings, name))


@server.tool
def report(context: SyncContext) -> str:
    """Tell of progress, and log."""
    for step in (1, 2, 3):
        context.report_progress(step, 3)
        context.log("info", step)
    return "done"


@server.tool
async def ask_everything(context: Context) -> list[str]:
    """Ask the model, and for the roots."""
    sampled = await context.sample("Say hello.", 10)
    roots = await context.list_roots()
    return [str(sampled.model), *(str(root.uri) for root in roots)]


@server.tool
def describe(context: SyncContext) -> str:
    """Read resources of both kinds that need the database."""
    contents = [
        context.read_resource(f"library://shelves{rest}") for rest in ("", "/count")
    ]
    return " ".join(str(getattr(text, "text", "")) for [text] in contents)


@server.tool
def quote(context: SyncContext) -> str:
    """Read resources of both kinds that need no database."""
    contents = [context.read_resource(f"library://motto/{kind}") for kind in MOTTOES]
    return " ".join(str(getattr(text, "text", "")) for [text] in contents)


@server.tool
def fail() -> None:
    """Raise what nobody expects, for a reason."""
    nothing: dict[str, int] = {}
    try:
        nothing["key"]
    except KeyError:
        raise ArithmeticError("nobody expects it") from ValueError("the cause")


@server.tool
async def fail_later() -> None:
    """Raise what nobody expects, without a thread."""
    raise LookupError("nobody expects it")


@server.tool
def end_the_program() -> None:
    """Raise what no handler should."""
    raise SystemExit("enough")


@server.tool
def refuse() -> None:
    """Answer with an error on purpose."""
    raise ErrorAnswer(-32602, "closed on Mondays")


MOTTOES = {"def": "Quiet,", "async": "please"}


@server.resource("library://motto/def")
def motto() -> str:
    """Read half of the motto."""
    return MOTTOES["def"]


@server.resource("library://motto/async")
async def rest_of_the_motto() -> str:
    """Read the other half."""
    return MOTTOES["async"]


@server.resource("library://shelves")
def shelf_list() -> str:
    """Read the list of shelves."""
    return ", ".join(shelves())


@server.resource("library://shelves/count", permission="auth.view_group")
async def shelf_count() -> str:
    """Read how many there are."""
    return str(await Group.objects.acount())


@server.resource("library://broken")
def broken() -> str:
    """Fail."""
    raise LookupError("nobody expects it")
