"""Django signals: of requests, of sessions, and of credentials that changed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from asgiref.sync import iscoroutinefunction
from django.dispatch import Signal

from mcp_django.bulkheads.strays import Stray, ends_task

_Receiver: TypeAlias = Callable[..., Any]


class _ContainedSignal(Signal):
    """A signal whose receivers end nothing but themselves, whatever they raise.

    Django lets pass what is no `Exception`; of an `async def` receiver, which it runs
    in a task of its own, `SystemExit` would end the process.
    """

    def connect(
        self,
        receiver: _Receiver,
        sender: object | None = None,
        weak: bool = True,
        dispatch_uid: Any = None,
    ) -> None:
        """Connect a receiver, as Django does."""
        uid = dispatch_uid or _id_of(receiver)
        super().connect(_contained(receiver, weak), sender, False, uid)
        if weak:
            held = getattr(receiver, "__self__", receiver)
            gone = weakref.finalize(held, super().disconnect, None, sender, uid)
            gone.atexit = False

    def disconnect(
        self,
        receiver: _Receiver | None = None,
        sender: object | None = None,
        dispatch_uid: Any = None,
    ) -> bool:
        """Disconnect a receiver, as Django does."""
        return super().disconnect(None, sender, dispatch_uid or _id_of(receiver))


def _id_of(receiver: Any) -> tuple[int, int]:
    """Name a receiver; a bound method is made anew whenever it is looked up."""
    function = getattr(receiver, "__func__", receiver)
    return id(getattr(receiver, "__self__", None)), id(function)


def _contained(receiver: _Receiver, weak: bool) -> _Receiver:
    """Wrap a receiver, so that whatever it raises is an `Exception`.

    A weak one is not kept by that.
    """
    find = _reference_to(receiver) if weak else partial(_same, receiver)

    def receive(**named: Any) -> Any:
        found = find()
        try:
            return found and found(**named)
        except BaseException as error:  # in a thread, into which nothing is thrown
            if isinstance(error, Exception):
                raise
            raise Stray.of(error) from error

    async def receive_async(**named: Any) -> Any:
        found = find()
        try:
            return found and await found(**named)
        except BaseException as error:
            if isinstance(error, Exception) or ends_task(error):
                raise
            raise Stray.of(error) from error

    wrapped = receive_async if iscoroutinefunction(receiver) else receive
    wrapped.__qualname__ = getattr(receiver, "__qualname__", repr(receiver))
    return wrapped


def _reference_to(receiver: _Receiver) -> Callable[[], _Receiver | None]:
    if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
        return weakref.WeakMethod(receiver)
    return weakref.ref(receiver)


def _same(receiver: _Receiver) -> _Receiver:
    return receiver


request_handled = _ContainedSignal()
"""A request was handled: answered, asked back, refused, failed or cancelled.

The sender is the `Server`. Sent for each run of a handler, so also when it asked its
client something, with these arguments:

Args:
    method: Such as "tools/call".
    feature: `mcp_django.FeatureName` of the tool, resource or prompt, also of one that
        does not exist; None for requests that concern none, such as lists.
    user: The site's user, or `AnonymousUser`.
    outcome: `mcp_django.Outcome`.
    seconds: How long it took, without the time that the client's user took to answer.
"""

session_opened = _ContainedSignal()
"""A client opened a session, and has said what it is.

The sender is the `Server`. It is sent before the client hears the answer by which the
session is open, once for each session, in the process that opened it, with these
arguments:

Args:
    session: Names the session in both signals, as `Context.session_label` does; an id
        it is not, and no credential.
    user: The site's user, or `AnonymousUser`.
    client_info: Name and version of the client, as it says them.
    protocol_version: Such as "2025-11-25".
    binding: "streamable-http", "sse", "websocket", "stdio" or "memory"; "custom" for
        transports that say nothing.
"""

session_closed = _ContainedSignal()
"""A session of which `session_opened` was sent has ended.

The sender is the `Server`. Sent once for each session, by the process that ended it,
with the arguments of `session_opened` and these:

Args:
    why: A `mcp_django.server.session_lives.Why`, such as "client" or "operator".
    seconds: How long the session lasted.
"""

credentials_changed = Signal()
"""Send it when an authenticator would say something else of a user's credentials now.

All processes forget then what they keep of them (`MCP["CREDENTIAL_CACHE_SECONDS"]`).
Saving and deleting users and the tokens of `mcp_django.tokens` does it by itself. The
sender is yours to choose; in any thread, with these arguments:

Args:
    user_id: Primary key of the user, as `user.pk` gives it; None, or left out, for all
        users.
    using: Alias of the database where that was changed, "default" if left out. Inside a
        transaction it is told once that is committed.
"""
