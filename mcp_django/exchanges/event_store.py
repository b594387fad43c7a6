"""Events of streams that clients may come back for, in a cache of Django's.

Optional: `MCP["EVENT_STORE_CACHE"]` names the cache. Of each stream the last
`EVENT_STORE_EVENTS` events are kept for `EVENT_STORE_SECONDS`; that there is such a
stream is kept as long as it is open. They are kept by `stored_streams`, and read here.

Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.core.cache import BaseCache
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.exchanges.event_keys import (
    Kind,
    end_key,
    event_id,
    event_key,
    kind_of_stream,
    lease_key,
    parse_event_id,
    stream_key,
)
from mcp_django.protocol import jsonrpc
from mcp_django.worker.caches import event_cache

_MAX_READ: Final = 4
"""Events of a call that are read at once: each may take a megabyte."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What there is of a stream after some event, or the first part of it.

    Attributes:
        name: Names the stream.
        kind: Whether it is the stream of a call or the standalone one.
        events: Id and data of the events, in order.
        last: Number of the last event.
        is_ended: Whether no event will follow.
        is_leased: Whether the worker that writes it is known to live.
        has_more: Whether more can be read at once, after the last of these events.
    """

    name: str
    kind: Kind
    events: Sequence[tuple[str, bytes]]
    last: int
    is_ended: bool
    is_leased: bool = True
    has_more: bool = False


async def replay(session_key: str, last_event_id: str) -> Replay:
    """Read the events of a session's stream that come after one.

    Raises:
        LookupError: There is no such event, or there are no longer all that follow.
        ServiceAway: The event store does not answer.
    """
    name, after = parse_event_id(last_event_id)
    return await replay_after(session_key, name, after)


async def replay_after(session_key: str, name: str, after: int) -> Replay:
    """Read the events of a session's stream that come after a number.

    Raises:
        LookupError: There is no such stream, or there are no longer all these events.
        ServiceAway: The event store does not answer.
    """
    replayed = await event_cache().ask(partial(_read_after, session_key, name, after))
    if replayed is None:
        raise LookupError(name)
    return replayed


async def abandon(session_key: str, name: str) -> None:
    """End the stream of a call whose worker is gone: with an error for each request.

    Of several workers that do so the first one counts, and neither does the one that
    was thought to be gone end it once more.

    Raises:
        ServiceAway: The event store does not answer.
    """
    await event_cache().ask(partial(_abandon, session_key, name))


def abandonment(id: RequestId) -> bytes:
    """Give the answer to a request on which no process works any more."""
    return jsonrpc.serialize(
        jsonrpc.error(
            id,
            INTERNAL_ERROR,
            "the process that worked on this request has ended, and how far it came is "
            "not known; send it again only if it may be done twice",
        )
    )


def _abandon(session_key: str, name: str, cache: BaseCache) -> None:
    noted = cache.get(stream_key(session_key, name))
    if noted is None:
        return
    _, last, is_ended, *run_by = noted
    # Once more, because it may just have been heard of again.
    if is_ended or not run_by or cache.get(lease_key(run_by[0])) is not None:
        return
    keys = [event_key(session_key, name, number) for number in range(1, last + 1)]
    kept = cache.get_many(keys[-mcp_settings.EVENT_STORE_EVENTS :])
    answered = {id for data in kept.values() for id in _answered_in(data)}
    # Of a batch with more events it is not known any longer what was answered.
    is_known = len(run_by[1]) == 1 or len(kept) >= last - 1
    errors = [
        abandonment(id) for id in run_by[1] if is_known and _typed(id) not in answered
    ]
    end = [last, errors]
    cache.add(end_key(session_key, name), end, mcp_settings.EVENT_STORE_SECONDS)


def _answered_in(data: bytes) -> Iterator[tuple[type, RequestId]]:
    try:
        message = jsonrpc.parse(data)
    except RemoteProtocolError:  # What is kept may be of another release.
        return
    if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
        yield _typed(message.id)


def _typed(id: RequestId) -> tuple[type, RequestId]:
    return type(id), id  # 1 is not "1", nor True


def _read_after(
    session_key: str, name: str, after: int, cache: BaseCache
) -> Replay | None:
    """Read those events; None if they are not all there."""
    noted_at, ended_at = stream_key(session_key, name), end_key(session_key, name)
    found = cache.get_many([noted_at, ended_at])
    kind, last, is_ended, *run_by = found.get(noted_at) or (None, 0, False)
    # Where another worker has ended it, what was written afterwards does not count.
    until, end = found.get(ended_at) or (last, ())
    if ended_at in found:
        kind, last, is_ended = kind_of_stream(name), until + len(end), True
    if kind is None:
        return None
    is_leased = is_ended or not run_by or cache.get(lease_key(run_by[0])) is not None
    most = mcp_settings.EVENT_STORE_EVENTS
    if last < after <= last + most and not is_ended:
        # The client has seen what is on its way here.
        return Replay(name, kind, (), after, False, is_leased)
    if not last - most <= after <= last:
        return None
    has_more = kind == "call" and until - after > _MAX_READ
    read_until = after + _MAX_READ if has_more else until
    ids = {
        event_key(session_key, name, number): event_id(name, number)
        for number in range(after + 1, read_until + 1)
    }
    kept = cache.get_many(list(ids)) if ids else {}
    if len(kept) < len(ids):
        return None
    events = [(id, kept[key]) for key, id in ids.items()]
    if has_more:
        return Replay(name, kind, events, read_until, is_ended=False, has_more=True)
    for number, data in enumerate(end, until + 1):
        if number > after:
            events.append((event_id(name, number), data))
    return Replay(name, kind, events, last, is_ended, is_leased)
