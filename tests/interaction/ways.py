"""The ways to a server: each binding, in each version that it carries.

On trio, and over sockets, where nothing depends on the version, the newest of each era
stand for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from mcp_django.protocol.versions import LATEST_LEGACY, MODERN
from tests.interaction.bindings import BINDINGS

_NEWEST: Final = (LATEST_LEGACY, *MODERN)


@dataclass(frozen=True)
class Way:
    """How a client comes to a server.

    Attributes:
        binding: Key of `BINDINGS`.
        version: Protocol version that the client offers.
        loop: Event loop of both.
    """

    binding: str
    version: str
    loop: str

    def __str__(self) -> str:
        return f"{self.binding}-{self.version}-{self.loop}"

    @property
    def is_modern(self) -> bool:
        """Whether each request stands for itself."""
        return self.version in MODERN


WAYS: Final[Sequence[Way]] = [
    Way(binding, version, loop)
    for binding, carried in BINDINGS.items()
    for version in carried.versions
    for loop in carried.loops
    if version in _NEWEST or (loop == "asyncio" and binding != "socket")
]


def only(
    *,
    since: str = "",
    until: str = "9999",
    version: str | None = None,
    loop: str | None = None,
) -> pytest.MarkDecorator:
    """Run a scenario only where there is what it is about.

    Args:
        since: First version that has it.
        until: Last version that has it.
        version: The one version that it is about.
        loop: The one event loop that it runs on.
    """
    chosen = [
        way
        for way in WAYS
        if since <= way.version <= until
        and version in (None, way.version)
        and loop in (None, way.loop)
    ]
    return pytest.mark.parametrize("way", chosen, indirect=True, ids=str)
