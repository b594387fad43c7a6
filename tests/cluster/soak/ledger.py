"""What was asked, what came back, and what of it is wrong."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from tests.cluster.calls import new_key

Outcome: TypeAlias = Literal["waiting", "answered", "refused", "failed", "lost", "left"]
"""Answered with what was asked for; refused with an error of the protocol or of HTTP;
failed in the tool; lost with the connection; left, because the client went away."""

SILENCE_SECONDS: Final = 40.0
"""Longest time in which a call may get neither an answer nor the end of its stream."""


class Refused(Exception):
    """The call was answered with an error.

    Args:
        what: The error.
    """

    def __init__(self, what: object) -> None:
        super().__init__(str(what)[:300])
        self.what = what


class Failed(Refused):
    """The tool says that it failed."""


@dataclass(slots=True)
class Call:
    """One call of one client.

    Attributes:
        key: No other call has it.
        user: Who asks.
        way: By which transport, and what.
        began: When, by the monotonic clock.
        seconds: How long it took until its end.
        outcome: What came of it.
        detail: Of a refusal or failure.
    """

    key: str
    user: str
    way: str
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    outcome: Outcome = "waiting"
    detail: str = ""

    def end(self, outcome: Outcome, detail: object = "") -> None:
        """Note what came of it."""
        self.seconds = time.monotonic() - self.began
        self.outcome, self.detail = outcome, str(detail)[:200]


def sign_of(call: Call) -> str:
    """Say in a word or two what a client sees of a call that was not answered."""
    match call.outcome:
        case "answered" | "left" | "waiting":
            return ""
        case "lost":
            return "silence" if call.detail == "silence" else "connection ended"
        case "failed":
            return "tool error"
    if found := re.match(r"\d{3}\b", call.detail):
        return found[0]
    found = re.search(r"'code': (-\d+)", call.detail)
    return f"error {found[1]}" if found else call.detail


class Ledger:
    """All calls, and everything that should not have happened.

    Attributes:
        calls: By key.
        ends: How connections ended, with how often.
        late_cancels: Cancellations that were taken, and did nothing for long.
        broken: What is wrong, in words, with how often.
    """

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.ends: Counter[str] = Counter()
        self.late_cancels = 0
        self.broken: Counter[str] = Counter()

    @property
    def ended(self) -> int:
        """How many calls have ended."""
        return sum(call.outcome != "waiting" for call in self.calls.values())

    def begin(self, user: str, way: str) -> Call:
        """Enter a call that is about to be sent."""
        call = Call(new_key(), user, way)
        self.calls[call.key] = call
        return call

    def check(self, call: Call, key: object, user: object) -> None:
        """Compare an answer with what was asked."""
        if key != call.key:
            self.broken[f"{call.way}: an answer was that of another call"] += 1
        if user != call.user:
            self.broken[f"{call.way}: an answer was that of another user"] += 1

    def audit(self, ran: Mapping[str, Sequence[str]]) -> None:
        """Compare with what the handlers wrote down.

        Args:
            ran: Who ran each call, by key: one user for each time.
        """
        for call in self.calls.values():
            users = ran.get(call.key, [])
            if len(users) > 1:
                self.broken[f"{call.way}: a call was run more than once"] += 1
            if call.outcome == "answered" and not users:
                self.broken[f"{call.way}: a call was answered and not run"] += 1
            if users and users[0] != call.user:
                self.broken[f"{call.way}: a call was run as another user"] += 1

    def between(self, begin: float, end: float) -> Sequence[Call]:
        """Give the calls that began in a span of time."""
        return [call for call in self.calls.values() if begin <= call.began < end]
