"""What the servers of this process offer, as operators are shown it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from django.contrib.admin.utils import quote
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mcp_django.pages.admin.schema_tables import Table, tables_of
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.discovery import all_servers
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.permissions import path_of
from mcp_django.server.schemas.words import type_in_words
from mcp_django.server.server import Server
from mcp_django.server.showing import shown, translated
from mcp_django.server.switched_off import Kind, SwitchedFeature
from mcp_django.server.texts import readable

Feature: TypeAlias = Tool | Resource | Prompt

_HINTS: Final[Mapping[tuple[str, bool], Promise]] = {
    ("readOnlyHint", True): _("reads only"),
    ("readOnlyHint", False): _("changes something"),
    ("destructiveHint", True): _("may overwrite or delete"),
    ("destructiveHint", False): _("only adds"),
    ("idempotentHint", True): _("may be repeated without harm"),
    ("idempotentHint", False): _("does more each time it is called"),
    ("openWorldHint", True): _("reaches beyond this site"),
    ("openWorldHint", False): _("stays within this site"),
}
"""What the hints of a tool tell the user of a program."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One feature of a server.

    Attributes:
        server: The one that has it.
        feature: What was registered.
        kind: Of the feature; a template is a resource.
        name: As for `mcp_switch`: of a resource its URI or template.
        entry: What lists show of it, in the language that is active.
    """

    server: Server
    feature: Feature
    kind: Kind
    name: str
    entry: JSONObject

    @classmethod
    def of(cls, server: Server, feature: Feature) -> Offered:
        """Read a feature of a server."""
        kind: Kind
        match feature:
            case Tool():
                kind, name = "tool", feature.name
            case Prompt():
                kind, name = "prompt", feature.name
            case _:
                kind, name = "resource", feature.uri
        return cls(server, feature, kind, name, shown(server, feature))

    @property
    def id(self) -> str:
        """Name it as `mcp_status --end feature:` does, such as "shop/tool:refund"."""
        return str(SwitchedFeature(self.kind, self.name, self.server.name))

    @property
    def quoted_id(self) -> str:
        """The same as one part of a path."""
        return quote(self.id)

    @property
    def title(self) -> str:
        """Its name for people; "" if it has none of its own."""
        hints = self.entry.get("annotations") or {}
        title = self.entry.get("title") or hints.get("title") or ""
        if not title and isinstance(self.feature, Resource):
            title = self.feature.name
        return "" if title == self.name else str(title)

    @property
    def description(self) -> str:
        """What it is, as the model reads it."""
        return str(self.entry.get("description") or "")

    @property
    def summary(self) -> str:
        """The first paragraph of the description."""
        return self.description.partition("\n\n")[0]

    @property
    def hints(self) -> list[Promise]:
        """What its tool says of itself, in words."""
        told = self.entry.get("annotations") or {}
        return [
            words for (key, value), words in _HINTS.items() if told.get(key) is value
        ]

    @property
    def permissions(self) -> list[str]:
        """Names of Django permissions, and paths of functions, that decide."""
        permission = self.feature.permission
        return [] if permission is None else list(map(str, permission.conditions))

    @property
    def scopes(self) -> list[tuple[str, str]]:
        """What a credential has to allow, each with its words."""
        words = translated(self.server, dict(self.server.scopes))
        return [(s, str(words.get(s, ""))) for s in sorted(self.feature.scopes)]

    @property
    def handler(self) -> str:
        """Dotted path of its function."""
        return path_of(self.feature.handler.signature.function)

    @property
    def timeout(self) -> float | None:
        """Seconds that a run may take; None for those of the site."""
        return self.feature.handler.timeout

    @property
    def completed(self) -> list[str]:
        """Arguments for which values are suggested."""
        if isinstance(self.feature, Tool):
            return []
        return [a for of, a in self.server.completions if of == self.name]

    @property
    def takes_arguments(self) -> bool:
        """Whether it is of a kind that takes some; a fixed resource is not."""
        return not isinstance(self.feature, Resource) or (
            self.feature.template is not None
        )

    @property
    def argument_tables(self) -> list[Table]:
        """What it takes."""
        if isinstance(self.feature, Tool):
            return tables_of(self.entry["inputSchema"])
        schema = self.feature.handler.signature.input_schema
        return tables_of(readable(schema, self.id))

    @property
    def result_type(self) -> str:
        """What a tool gives, in a few words; "" where it has no schema."""
        schema = self.entry.get("outputSchema")
        return "" if schema is None else type_in_words(schema)

    @property
    def result_tables(self) -> list[Table]:
        """What a tool gives, as far as its schema has members."""
        return tables_of(self.entry.get("outputSchema"))

    @property
    def written(self) -> str:
        """The entry as JSON, for people."""
        return json.dumps(self.entry, indent=2, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Group:
    """The features of one kind.

    Attributes:
        label: Of the kind, such as "Tools".
        features: In the order of registering.
    """

    label: Promise
    features: list[Offered]


@dataclass(frozen=True, slots=True)
class ServerOffer:
    """A server, and what it offers.

    Attributes:
        described: What programs are told of it, in the language that is active.
        groups: Those that have features.
    """

    server: Server
    described: JSONObject
    groups: list[Group]

    @classmethod
    def of(cls, server: Server) -> ServerOffer:
        """Read all of a server."""
        texts = {**server.implementation, "instructions": server.instructions}
        resources = server.resources.values()
        kinds: list[tuple[Promise, Iterable[Feature]]] = [
            (_("Tools"), server.tools.values()),
            (_("Resources"), [r for r in resources if r.template is None]),
            (_("Resource templates"), [r for r in resources if r.template is not None]),
            (_("Prompts"), server.prompts.values()),
        ]
        groups = [
            Group(label, [Offered.of(server, feature) for feature in features])
            for label, features in kinds
        ]
        filled = [group for group in groups if group.features]
        return cls(server, translated(server, texts), filled)

    @property
    def features(self) -> Iterator[Offered]:
        """All of them."""
        for group in self.groups:
            yield from group.features


def all_offers() -> list[ServerOffer]:
    """Read all servers of this process."""
    return [ServerOffer.of(server) for server in all_servers()]


def offered_by_id() -> dict[str, Offered]:
    """Read all features of this process, by `Offered.id`.

    Two servers of one name are a system check's business; here the first wins.
    """
    found: dict[str, Offered] = {}
    for offer in all_offers():
        for offered in offer.features:
            found.setdefault(offered.id, offered)
    return found
