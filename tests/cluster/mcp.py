"""What the site of the cluster offers: tools that say by whom and where they were run.

Each call has a key of its own. When the handler is done, it writes the key into a file
of its process, whatever becomes of the answer afterwards.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.contrib.auth import get_user_model

from mcp_django import Context, Server, SyncContext
from mcp_django.sessions.registry import Registry
from mcp_django.worker.worker import current_worker

server = Server("cluster", version="1.0.0", instructions="For tests of clusters.")

BOARD = "cluster://board"
VIEW_USERS = "auth.view_user"


@dataclass
class Ran:
    """A call that was run to its end.

    Attributes:
        key: That the client gave.
        user: Who asked.
        pid: Process that ran it.
        found: What it found in the database, where it looks there.
    """

    key: str
    user: str
    pid: int
    found: int | None = None


@cache
def _record() -> int:
    path = Path(os.environ["CLUSTER_FOLDER"]) / f"ran-{os.getpid()}"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def done(key: str, context: Context | SyncContext, found: int | None = None) -> Ran:
    """Write down that a call was run."""
    user = context.user.get_username()
    os.write(_record(), f"{key} {user}\n".encode())
    return Ran(key, user, os.getpid(), found)


# Calls ------------------------------------------------------------------------------


@server.tool
async def run(key: str, context: Context) -> Ran:
    """Do nothing, at once."""
    return done(key, context)


@server.tool
def run_in_thread(key: str, context: SyncContext) -> Ran:
    """Do nothing, in a thread."""
    return done(key, context)


@server.tool
async def count_users(key: str, context: Context) -> Ran:
    """Count the users, with the ORM's async methods."""
    return done(key, context, await get_user_model().objects.acount())


@server.tool
def count_users_in_thread(key: str, context: SyncContext) -> Ran:
    """Count the users, in a thread."""
    return done(key, context, get_user_model().objects.count())


@server.tool(permission=VIEW_USERS)
async def count_users_permitted(key: str, context: Context) -> Ran:
    """Count the users, for those who may see them."""
    return done(key, context, await get_user_model().objects.acount())


@server.tool
def save_user(key: str, email: str, context: SyncContext) -> Ran:
    """Write the address of the user who asks."""
    username = context.user.get_username()
    get_user_model().objects.filter(username=username).update(email=email)
    return done(key, context)


@server.tool
async def wait(key: str, seconds: float, context: Context) -> Ran:
    """Wait, and report progress meanwhile."""
    for number in range(int(seconds * 10)):
        await context.report_progress(number)
        await asyncio.sleep(0.1)
    return done(key, context)


@server.tool
async def wait_silently(key: str, seconds: float, context: Context) -> Ran:
    """Wait."""
    await asyncio.sleep(seconds)
    return done(key, context)


@server.tool
def wait_in_thread(key: str, seconds: float, context: SyncContext) -> Ran:
    """Occupy a thread for so many seconds."""
    time.sleep(seconds)
    return done(key, context)


@server.tool
def hang(key: str, context: SyncContext) -> Ran:
    """Write that it was run, and occupy a thread for ever."""
    ran = done(key, context)
    threading.Event().wait()
    return ran


@server.tool
async def block(key: str, seconds: float, context: Context) -> Ran:
    """Hold the event loop, by mistake."""
    time.sleep(seconds)  # noqa: ASYNC251 # that is the mistake
    return done(key, context)


@server.tool
async def cancel_everything(key: str, context: Context) -> Ran:
    """Cancel every task there is, by mistake."""
    here = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not here:
            task.cancel()
    return done(key, context)


@server.tool
async def text(key: str, size: int, context: Context) -> str:
    """Return so many letters after the key."""
    done(key, context)
    return f"{key} {'x' * size}"


# Questions --------------------------------------------------------------------------

NAME = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


@server.tool
async def ask(key: str, context: Context) -> Ran:
    """Ask for a name, which has to be the key."""
    answer = await context.elicit(f"What is the name of {key}?", NAME)
    return done(f"{key} {(answer.data or {}).get('name')}", context)


@server.tool
def ask_in_thread(key: str, context: SyncContext) -> Ran:
    """Ask for a name from a thread."""
    answer = context.elicit(f"What is the name of {key}?", NAME)
    return done(f"{key} {(answer.data or {}).get('name')}", context)


# Changes ----------------------------------------------------------------------------


@server.resource(BOARD, mime_type="text/plain")
def board() -> str:
    """What clients subscribe to."""
    return "Nothing new."


@server.tool
async def touch(key: str, context: Context) -> Ran:
    """Tell those who subscribed that the board changed."""
    server.resource_updated(BOARD)
    return done(key, context)


# The process ------------------------------------------------------------------------


@dataclass
class Holdings:
    """What a process has open.

    Attributes:
        connections: Streams, and calls that wait for something.
        listeners: Who wants change notices.
        sessions: Over HTTP+SSE and WebSocket.
        tasks: Of asyncio.
    """

    connections: int
    listeners: int
    sessions: int
    tasks: int


@server.tool
async def mailbox(key: str) -> str:
    """Tell by which channel other workers reach this one."""
    return await current_worker().relay.open()


@server.tool
async def holdings() -> Holdings:
    """Tell what this process has open, for this call as well."""
    worker = current_worker()
    return Holdings(
        connections=len(worker.connections),
        listeners=len(worker.listeners),
        sessions=len(worker.part(Registry)),
        tasks=len(asyncio.all_tasks()),
    )
