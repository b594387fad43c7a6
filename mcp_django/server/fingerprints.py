"""Fingerprints of what a server lists: whether a client knows it as it is now.

A session over Streamable HTTP outlives a deploy, and its client goes on with the lists
that it has. So the session's id says what they were like.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.utils import translation

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.notices import Topic
from mcp_django.server.switched_off import switched_off
from mcp_django.server.texts import plain

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = FaultLog("mcp_django.server")

_TOPICS: Final[tuple[Topic, ...]] = ("tools", "resources", "prompts")
_CHARACTERS: Final = 6
_BETWEEN: Final = "."


def fingerprint_of(server: Server) -> str:
    """Shorten what lists show, and to whom, to a few characters.

    It is the same in every process and every language, whatever the order. It is kept
    until the server says that something changed, or something is switched off or on.

    Returns:
        The fingerprint; "" for an unknown one, if a text cannot be made.
    """
    made, off = server.fingerprint, switched_off.features
    if made is None or made[0] is not off:
        made = server.fingerprint = (off, _fingerprint_of(server))
    return made[1]


def changed_since(known: str, now: str) -> Sequence[Topic]:
    """Give the lists that differ between two fingerprints.

    Those that there were not are left out: clients were told that there are none, and
    do not listen.

    Args:
        known: What the client knows; "" for an unknown one.
        now: What is now.
    """
    return [
        topic
        for topic, old, new in zip(
            _TOPICS, known.split(_BETWEEN), now.split(_BETWEEN), strict=False
        )
        if old and old != new
    ]


def _fingerprint_of(server: Server) -> str:
    try:
        # No language: texts as they stand in the code.
        with translation.override(None):
            digests = [
                _digest(server, features) if features else ""
                for features in (server.tools, server.resources, server.prompts)
            ]
    except BaseException:  # of a lazy text, which is the site's own code
        logger.exception(
            "clients will not be told of changes by a deploy; mend the text that fails"
        )
        return ""
    return _BETWEEN.join(digests)


def _digest(server: Server, features: Mapping[str, Tool | Resource | Prompt]) -> str:
    shown = [
        [
            key,
            plain(feature.entry),
            None if feature.permission is None else feature.permission.names,
        ]
        for key, feature in sorted(features.items())
        if not switched_off.covers(server, feature)
    ]
    text = json.dumps(shown, sort_keys=True, default=_in_order)
    digest = hashlib.sha256(text.encode()).digest()
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()


def _in_order(value: Any) -> Any:
    """Write what is no JSON by itself, the same in every process."""
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
