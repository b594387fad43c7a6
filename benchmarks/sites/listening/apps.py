"""The app; it connects its receiver as Django's documentation says."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from django.apps import AppConfig

heard: Final[Counter[str]] = Counter()


class ListeningConfig(AppConfig):
    """Counts requests by how they ended."""

    name = "benchmarks.sites.listening"

    def ready(self) -> None:
        """Connect the receiver."""
        from mcp_django.signals import request_handled

        request_handled.connect(count)


def count(*, outcome: Any, **named: Any) -> None:
    """Count a request that was handled."""
    heard[outcome.kind] += 1
