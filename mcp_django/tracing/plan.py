"""A trace: whose messages are shown, for how long, and where."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Final, Self

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.carriers import Whose

LOG: Final = "log"
FILE: Final = "file"
MAX_MINUTES: Final = 60.0


@dataclass(frozen=True, slots=True)
class Trace:
    """What is traced in all workers; of one user, of one session, or everything.

    Attributes:
        until: When it ends, in seconds since the epoch.
        user: The primary key of a user, as text; None for all.
        session: The short name of a session; None for all.
        to: "log", "file", or the channel of a program that follows it.
        id: Names it.
    """

    until: float
    user: str | None = None
    session: str | None = None
    to: str = LOG
    id: str = field(default_factory=lambda: secrets.token_hex(4))

    @classmethod
    def read(cls, told: JSONObject) -> Self:
        """Read what `as_json` gave."""
        return cls(**told)

    def as_json(self) -> JSONObject:
        """Give it as JSON, for other workers."""
        return asdict(self)

    @property
    def seconds_left(self) -> float:
        """For how long it goes on."""
        return self.until - time.time()

    def is_about(self, whose: Whose) -> bool:
        """Say whether a message is shown."""
        if self.user is not None:
            return whose.user == self.user
        return self.session is None or whose.session == self.session
