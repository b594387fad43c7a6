"""How far the reply to a POST has come, and what follows what: the table of `Reply`.

Of each state, the next one after what may happen; "." for the same::

                answer  begin      release  detach  break_off  end
    UNDECIDED   ENDED   STREAMING  .        GONE    ENDED      .
    JSON        ENDED   .          .        GONE    ENDED      .
    COLLECTING  .       .          .        GONE    ENDED      ENDED
    EVENTS      .       STREAMING  .        GONE    ENDED      .
    STREAMING   .       .          AWAY     AWAY    .          ENDED
    AWAY        .       .          .        .       .          ENDED
    GONE        .       .          .        .       ENDED      ENDED
    ENDED       .       .          .        .       .          .

Before an event or a release comes `begin`; after the last answer, and when the client
of a stream that is broken off was told, comes `end`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final


class State(IntEnum):  # whose members are hashed as fast as numbers
    """How far a reply has come."""

    UNDECIDED = auto()
    """Nothing is sent. An answer goes as JSON; what comes before it makes a stream."""
    JSON = auto()
    """Nothing is sent, and the client reads JSON only."""
    COLLECTING = auto()
    """As `JSON`; the answers to a batch are collected for one body."""
    EVENTS = auto()
    """Nothing is sent, and all that will be goes as events."""
    STREAMING = auto()
    """The client reads events."""
    AWAY = auto()
    """The client has left its stream. Events go to the log, or nowhere without one."""
    GONE = auto()
    """The client has left, and has nothing to come back with."""
    ENDED = auto()
    """The reply is complete."""


TABLE: Final[Mapping[State, Mapping[str, tuple[str, State]]]] = {
    State.UNDECIDED: {
        "send": ("send_message", State.UNDECIDED),
        "answer": ("respond", State.ENDED),
        "begin": ("open", State.STREAMING),
        "tick": ("begin_if_silent", State.UNDECIDED),
        "detach": ("forget", State.GONE),
        "break_off": ("end_empty", State.ENDED),
    },
    State.JSON: {
        "answer": ("respond", State.ENDED),
        "detach": ("forget", State.GONE),
        "break_off": ("refuse", State.ENDED),
    },
    State.COLLECTING: {
        "answer": ("count", State.COLLECTING),
        "detach": ("forget", State.GONE),
        "break_off": ("complete_or_refuse", State.ENDED),
        "end": ("complete", State.ENDED),
    },
    State.EVENTS: {
        "send": ("send_message", State.EVENTS),
        "answer": ("answer_by_event", State.EVENTS),
        "begin": ("open", State.STREAMING),
        "tick": ("begin_if_silent", State.EVENTS),
        "detach": ("forget", State.GONE),
        "break_off": ("end_empty", State.ENDED),
    },
    State.STREAMING: {
        "send": ("send_message", State.STREAMING),
        "answer": ("answer_by_event", State.STREAMING),
        "pass_on": ("write_event", State.STREAMING),
        "tick": ("keep_alive", State.STREAMING),
        "release": ("hang_up", State.AWAY),
        "detach": ("leave", State.AWAY),
        "break_off": ("finish", State.STREAMING),
        "end": ("hang_up", State.ENDED),
    },
    State.AWAY: {
        "send": ("send_message", State.AWAY),
        "answer": ("answer_by_event", State.AWAY),
        "pass_on": ("tell", State.AWAY),
        "break_off": ("finish", State.AWAY),
        "end": ("nothing", State.ENDED),
    },
    State.GONE: {
        "answer": ("count", State.GONE),
        "break_off": ("nothing", State.ENDED),
        "end": ("nothing", State.ENDED),
    },
    State.ENDED: {
        "send": ("fail", State.ENDED),
    },
}
"""Mapping of state and of what happens to what `Reply` does, and the next state.

Where something is not named, nothing comes of it.
"""
