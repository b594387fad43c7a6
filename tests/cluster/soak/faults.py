"""What breaks in the soak, one thing after the other, and what is promised of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.cluster.soak import strikes
from tests.cluster.soak.strikes import Strike

_DOWN_SECONDS: Final = 6.0

_ENDED: Final = "connection ended"
_AWAY: Final = frozenset({"503", "error -32603", "tool error", _ENDED})
_NOT_TAKEN: Final = frozenset({"400", "404", "503"})
"""400 to an answer whose question is waited for no longer, or none that can be reached,
and to an event id of which nothing is kept."""
_ANY: Final = _AWAY | _NOT_TAKEN
_EXPIRED: Final = _ANY | {"error -32602"}
_NONE: Final = frozenset[str]()


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and what is promised of it.

    Attributes:
        name: For people.
        strike: Breaks it.
        seconds: How long it stays so.
        mend: What `Cluster.mend` cannot know.
        sees: What clients see, in words.
        within: Seconds in which each call that begins meanwhile ends, in one way or
            another; more for a machine that is busy.
        signs: How such calls may end beside being answered, as `sign_of` says it.
        logged: What the log has to say of it, if anything.
    """

    name: str
    strike: Strike
    seconds: float = _DOWN_SECONDS
    mend: Strike | None = None
    sees: str = "nothing"
    within: float = 15.0
    signs: frozenset[str] = _ANY
    logged: str = ""


FAULTS: Final[Sequence[Fault]] = (
    # What the others compare with.
    Fault("nothing breaks", lambda *_: None, signs=_NONE),
    Fault(
        "Redis is killed",
        lambda cluster, _: cluster.redis.kill(),
        sees="calls are answered; what has to go to another worker, or to be kept, is "
        "refused; listeners are told that everything may have changed",
        logged="does not answer|is away",
    ),
    Fault(
        "Redis stands still",
        lambda cluster, _: cluster.redis.freeze(),
        sees="the same, the first calls of a session after a second or two",
        logged="does not answer|is away",
    ),
    Fault(
        "Redis forgets all",
        lambda cluster, _: cluster.redis.forget(),
        sees="listeners are told that everything may have changed; a stream of a "
        "call that was lost cannot be resumed",
    ),
    Fault(
        "Redis is restarted",
        strikes.restart_redis,
        sees="both of these, for a moment",
    ),
    Fault(
        "Redis is full",
        lambda cluster, _: cluster.redis.limit(1),
        mend=lambda cluster, _: cluster.redis.limit(0),
        sees="calls are answered; what has to be written is refused",
        logged="does not answer|is away|fail",
    ),
    Fault(
        "Redis is slow",
        strikes.slow_redis,
        sees="calls that need it take as much longer, side by side",
    ),
    Fault(
        "cache hangs",
        lambda cluster, _: cluster.cache.freeze(),
        sees="what a session keeps is refused or done without, after a second or two",
        logged="cache",
    ),
    Fault(
        "cache gets nothing",
        lambda cluster, _: cluster.cache.drop(),
        sees="the same",
        logged="cache",
    ),
    Fault(
        "cache is cut off",
        lambda cluster, _: cluster.cache.refuse(),
        sees="the same, at once",
        logged="cache",
    ),
    Fault(
        "layer gets nothing",
        lambda cluster, _: cluster.layer.drop(),
        sees="what has to go to another worker is refused",
        logged="layer",
    ),
    Fault(
        "layer is at its capacity",
        strikes.fill_mailbox,
        sees="what has to go to the worker whose mailbox is full is refused; that "
        "worker stands still here, so that its own clients wait for it",
    ),
    Fault(
        "PostgreSQL ends connections",
        lambda cluster, _: cluster.postgres.end_connections(),
        sees="a query that runs just then fails",
        signs=_AWAY,
    ),
    Fault(
        "PostgreSQL is killed",
        lambda cluster, _: cluster.postgres.kill(),
        sees="no user can be recognized, so all requests are refused with "
        "`Retry-After`; open streams stay",
        logged="the database 'default'",
    ),
    Fault(
        "PostgreSQL stands still",
        lambda cluster, _: cluster.postgres.freeze(),
        sees="the same, the first requests after five seconds",
    ),
    Fault(
        "database gets nothing",
        lambda cluster, _: cluster.database.drop(),
        sees="the same",
    ),
    Fault(
        "PostgreSQL is read-only",
        lambda cluster, _: cluster.postgres.take_writes(False),
        sees="what writes fails",
        signs=_AWAY,
    ),
    Fault(
        "PostgreSQL has no connection left",
        strikes.use_all_connections,
        mend=lambda cluster, _: cluster.postgres.free_connections(),
        sees="as if it were away",
        logged="the database 'default'",
    ),
    Fault(
        "a worker is killed",
        lambda _, worker: worker.kill(),
        sees="its connections end; others go on, and a session of HTTP+SSE that it "
        "held is not found",
    ),
    Fault(
        "a worker stands still",
        lambda _, worker: worker.freeze(),
        sees="its clients wait until it goes on; what others should hand to it is "
        "not found after two seconds, and is not done later",
    ),
    Fault(
        "a worker is restarted",
        strikes.restart_worker,
        sees="calls that run are answered; new ones are refused, then its connections "
        "end; sessions of Streamable HTTP go on",
    ),
    Fault(
        "handlers hang",
        strikes.hang_handlers,
        mend=strikes.restart_worker,
        sees="nothing, but for the user whose handlers they are",
        logged="'hang'",
    ),
    Fault(
        "a handler blocks the event loop",
        strikes.block_the_loop,
        sees="everything of that worker waits until it is done",
    ),
    Fault("clients vanish", strikes.vanish, signs=_NONE),
    Fault(
        "clients do not read",
        strikes.read_nothing,
        mend=strikes.close_unread,
        signs=_NONE,
    ),
    Fault(
        "clients are half-open",
        lambda cluster, worker: cluster.fronts[cluster.workers.index(worker)].freeze(),
        15,
        sees="nothing arrives until the network is back",
        within=30.0,
    ),
    Fault(
        "keys are rotated",
        strikes.rotate_keys,
        sees="what a restart shows; sessions go on as long as the old key is among "
        "`SECRET_KEY_FALLBACKS`; what is signed with the new key is refused where that "
        "is not known yet",
        signs=_EXPIRED,
    ),
    Fault(
        "the clock of a worker jumps ahead by an hour",
        strikes.set_clock(3600.0),
        sees="what has expired by one clock is refused there: here a session id after "
        "a minute, and `requestState` after five; idle connections end",
        signs=_EXPIRED,
    ),
    Fault(
        "the clock of a worker jumps back by an hour",
        strikes.set_clock(-3600.0),
        sees="the same",
        signs=_EXPIRED,
    ),
    Fault(
        "all clocks jump ahead by five minutes",
        strikes.set_all_clocks(300.0),
        sees="the same",
        signs=_EXPIRED,
    ),
    Fault(
        "all clocks jump back by five minutes",
        strikes.set_all_clocks(-300.0),
        sees="nothing, and the same when they are right again",
        signs=_EXPIRED,
    ),
)
