"""What the doctor has to say: one line for each step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from mcp_django.protocol.jsonrpc import JSONObject


class Verdict(StrEnum):
    """How a step went."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found.

    Attributes:
        step: What was tried, in a few words.
        verdict: How it went.
        says: What was seen, and why that is good or bad.
        remedy: What to set or to ask for; "" if there is nothing to do.
    """

    step: str
    verdict: Verdict
    says: str
    remedy: str = ""

    def as_json(self) -> JSONObject:
        """Give it as JSON."""
        return {**asdict(self), "verdict": str(self.verdict)}
