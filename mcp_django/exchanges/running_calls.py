"""Calls of legacy sessions that run in one worker, and can be cancelled from any.

Spec: 2025-11-25 basic/utilities/cancellation.
"""

from __future__ import annotations

from typing import Final, Protocol, Self

from mcp_types.jsonrpc import RequestId

from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker

_CANCEL_SECONDS: Final = 60.0
"""For as long a cancellation that could not be told is told when that can be done."""


class Cancellable(Protocol):
    """A request of a session that runs in this worker."""

    def cancel(self) -> None:
        """Stop working on it; its client wants no answer."""


class RunningCalls:
    """Finds calls by what their clients call them; a part of its worker.

    Args:
        relay: Tells the other workers of cancellations.
        sessions: Says which have ended.
    """

    def __init__(self, relay: Relay, sessions: OpenSessions) -> None:
        self._relay = relay
        # Several of one id, of clients that do not keep to the rules.
        self._calls: dict[tuple[str, RequestId], list[Cancellable]] = {}
        sessions.on_end(self._cancel_all)
        relay.on_told("cancel", self._hear)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker.relay, worker.part(OpenSessions))

    def add(self, session: HTTPSession, id: RequestId, call: Cancellable) -> None:
        """Let a request be cancelled from now on."""
        self._calls.setdefault((session.key, id), []).append(call)

    def remove(self, session: HTTPSession, id: RequestId, call: Cancellable) -> None:
        """Forget a request that is answered."""
        calls = self._calls.get((session.key, id), [])
        if call in calls:
            calls.remove(call)
            if not calls:
                del self._calls[session.key, id]

    async def cancel(self, session: HTTPSession, id: RequestId) -> None:
        """Cancel a request, in whichever worker it runs.

        Raises:
            ServiceAway: It runs in another one, if in any, which cannot be told now.
        """
        if not self._cancel_here(session.key, id):
            await self._relay.tell(
                {"kind": "cancel", "session": session.key, "id": id},
                lasts=_CANCEL_SECONDS,
            )

    def _hear(self, told: JSONObject) -> None:
        self._cancel_here(told["session"], told["id"])

    def _cancel_here(self, session_key: str, id: RequestId) -> bool:
        calls = list(self._calls.get((session_key, id), ()))
        for call in calls:
            call.cancel()
        return bool(calls)

    def _cancel_all(self, session_key: str) -> None:
        for key, id in list(self._calls):
            if key == session_key:
                self._cancel_here(key, id)
