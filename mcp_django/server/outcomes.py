"""How requests and runs of handlers end, in words for the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

import anyio

from mcp_django.exceptions import (
    AskRefused,
    ErrorAnswer,
    ToolError,
    UrlElicitationRequired,
)
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.asking import QuestionsAsked
from mcp_django.server.django_errors import Refusal

OutcomeKind: TypeAlias = Literal["answered", "asked", "refused", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class FeatureName:
    """Which feature a request concerns.

    Attributes:
        kind: What it is.
        name: Of a tool or prompt its name; of a resource its URI, or its template's as
            it was registered. Of what does not exist, what the client asked for.
    """

    kind: Literal["tool", "resource", "prompt"]
    name: str

    @classmethod
    def unknown(
        cls, kind: Literal["tool", "resource", "prompt"], name: str
    ) -> FeatureName:
        """Name a feature as a client did; it may be as long as a message."""
        return cls(kind, name[:200])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request, or one run of its handler, ended.

    Attributes:
        kind: "answered" with a result; "asked" the client, which brings another run;
            "refused" on purpose, by us, the handler or an exception that is one of
            Django's answers; "failed" by an unexpected exception;
            "cancelled" because no client waits any more.
        reason: Why it was refused: "unknown", "not permitted", or a text.
        error: What was raised, if that is known.
        value: What the handler returned; of runs only.
    """

    kind: OutcomeKind
    reason: str | None = None
    error: BaseException | None = field(default=None, compare=False)
    value: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of_error(cls, error: BaseException) -> Outcome:
        """Say how a run ended that raised."""
        match error:
            case QuestionsAsked() | UrlElicitationRequired():
                return cls("asked", error=error)
            case ErrorAnswer():
                return cls("refused", error.reason or str(error.message), error)
            case ToolError() | AskRefused():
                return cls("refused", str(error), error)
        refusal = Refusal.of(error)
        if refusal is not None:
            return cls("refused", refusal.text, error)
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return cls("cancelled", error=error)
        return cls("failed", error=error)

    @classmethod
    def of_result(cls, result: JSONObject, reason: str | None = None) -> Outcome:
        """Say how a request ended that has a result.

        Args:
            result: The result.
            reason: Why it was refused, if it was; left out, what the model reads.
        """
        if not result.get("isError"):
            return _ANSWERED
        texts = [block.get("text", "") for block in result.get("content", ())]
        return cls("refused", reason or "\n".join(filter(None, texts)) or None)

    def __str__(self) -> str:
        return self.kind if self.reason is None else f"{self.kind}: {self.reason}"


_ANSWERED: Final = Outcome("answered")


@dataclass(slots=True, eq=False)
class Run:
    """One run of a handler.

    Attributes:
        feature: What the handler is of; of a completion, what is completed.
        arguments: Checked, by parameter; without the context.
        outcome: How it ended; None as long as it runs.
        has_begun: Whether its function was called, where that waits for a thread.
        is_given_up: Whether its answer is waited for no longer, because it took longer
            than it may. A thread goes on all the same.
    """

    feature: FeatureName | None
    arguments: Mapping[str, Any]
    outcome: Outcome | None = None
    has_begun: bool = False
    is_given_up: bool = False

    def note(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Note what is raised on its way out, as the exit of a context manager."""
        if error is not None:
            self.outcome = Outcome.of_error(error)
