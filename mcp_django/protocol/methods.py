"""The methods of the protocol, a row each: what there is to know of a request.

All that treats methods differently reads it here. What answers them stands in a table
of its own in `server/dispatch.py`, because nothing here knows the server.

A new method is a row here, a function that answers it in `server/dispatch.py`, and a
function that asks for it in `client/client.py`. An extension of the protocol will add
rows, too, with its key of `capabilities.extensions` as their `capability`, which
`check_offered` in `server/params.py` looks up.

Spec: `schema.ts` of each version, `ClientRequest` and `ServerRequest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Final, Literal, TypeAlias

from mcp_django.protocol.versions import Kind

EraName: TypeAlias = Literal["legacy", "modern"]

DISCOVER: Final = "server/discover"
INITIALIZE: Final = "initialize"
LISTEN: Final = "subscriptions/listen"
PING: Final = "ping"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list is of.

    Attributes:
        member: Of the result that has the entries.
        kind: What each of them is.
        change: Notification that tells that the list is another one now.
    """

    member: str
    kind: Kind
    change: str


@dataclass(frozen=True, slots=True)
class Method:
    """What there is to know of a request that clients send.

    Attributes:
        name: As it is written in messages.
        eras: Those that have it.
        capability: What a server declares that has it; "" if every server does.
        needs_session: Whether it is refused before `initialize`, in the legacy era; the
            others are answered by the protocol alone, at any time.
        may_ask: Whether the modern era may answer it with `input_required`.
        named_by: Member of its params that the header `Mcp-Name` repeats; None if that
            header is not sent.
        is_kept: Whether its results say how long clients may keep them.
        listed: What it lists; None if it is no list.
    """

    name: str
    eras: frozenset[EraName]
    capability: str = ""
    _: KW_ONLY
    needs_session: bool = True
    may_ask: bool = False
    named_by: str | None = None
    is_kept: bool = False
    listed: Listed | None = None


_LEGACY: Final[frozenset[EraName]] = frozenset({"legacy"})
_MODERN: Final[frozenset[EraName]] = frozenset({"modern"})
_BOTH: Final = _LEGACY | _MODERN

_TOOLS: Final = Listed("tools", "tool", "notifications/tools/list_changed")
_PROMPTS: Final = Listed("prompts", "prompt", "notifications/prompts/list_changed")
_RESOURCES: Final = Listed(
    "resources", "resource", "notifications/resources/list_changed"
)
_TEMPLATES: Final = Listed(
    "resourceTemplates", "resource_template", "notifications/resources/list_changed"
)

_ROWS: Final = (
    Method(INITIALIZE, _LEGACY, needs_session=False),
    Method(PING, _LEGACY, needs_session=False),
    Method("logging/setLevel", _LEGACY, "logging"),
    Method("resources/subscribe", _LEGACY, "resources"),
    Method("resources/unsubscribe", _LEGACY, "resources"),
    Method(DISCOVER, _MODERN, is_kept=True),
    Method(LISTEN, _MODERN),
    Method("completion/complete", _BOTH, "completions"),
    Method("prompts/get", _BOTH, "prompts", may_ask=True, named_by="name"),
    Method("prompts/list", _BOTH, "prompts", is_kept=True, listed=_PROMPTS),
    Method("resources/list", _BOTH, "resources", is_kept=True, listed=_RESOURCES),
    Method(
        "resources/read",
        _BOTH,
        "resources",
        may_ask=True,
        named_by="uri",
        is_kept=True,
    ),
    Method(
        "resources/templates/list",
        _BOTH,
        "resources",
        is_kept=True,
        listed=_TEMPLATES,
    ),
    Method("tools/call", _BOTH, "tools", may_ask=True, named_by="name"),
    Method("tools/list", _BOTH, "tools", is_kept=True, listed=_TOOLS),
)

METHODS: Final[Mapping[str, Method]] = {row.name: row for row in _ROWS}
"""Requests that clients send, by their names.

Spec: `may_ask`: 2026-07-28 basic/patterns/mrtr, "Supported Requests"; `named_by`:
basic/transports/streamable-http, "Standard Request Headers"; `is_kept`:
server/utilities/caching, "Cacheable Results".
"""

LEGACY: Final[Mapping[str, Method]] = {
    row.name: row for row in _ROWS if "legacy" in row.eras
}
"""Those of the legacy era."""

MODERN: Final[Mapping[str, Method]] = {
    row.name: row for row in _ROWS if "modern" in row.eras
}
"""Those of the modern era, where all of them are answered by a driver."""

MAY_ASK: Final = frozenset(row.name for row in _ROWS if row.may_ask)
"""Names of those that may be answered with `input_required`."""

KEPT: Final = frozenset(row.name for row in _ROWS if row.is_kept)
"""Names of those whose results say how long clients may keep them."""

NAMED: Final[Mapping[str, str]] = {
    row.name: row.named_by for row in _ROWS if row.named_by
}
"""Name of each with an `Mcp-Name` header -> the member of params that it repeats."""

LISTS: Final[Mapping[str, Listed]] = {
    row.name: row.listed for row in _ROWS if row.listed
}
"""Name of each that lists something -> what."""

QUESTIONS: Final[Mapping[str, str]] = {
    "elicitation/create": "elicitation",
    "roots/list": "roots",
    "sampling/createMessage": "sampling",
}
"""What servers ask clients -> the capability that a client declares for it."""
