"""How each program is connected: `clients.toml`, filled in for one server."""

from __future__ import annotations

import base64
import datetime
import enum
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from mcp_django.pages.toml import write_toml
from mcp_django.protocol.jsonrpc import JSON

PLACEHOLDER: Final = "YOUR_TOKEN"
"""Stands where the user puts a token."""

_FIELD: Final = re.compile(r"\{(name|title|url|token|program)\}")
_ARGUMENTS: Final = "{arguments}"
_NO_KEY: Final = re.compile(r"[^A-Za-z0-9_-]+")

WORDS: Final = (
    gettext_noop("Your own program, with an SDK"),
    gettext_noop("Programs that know stdio only"),
    gettext_noop(
        "The workspace may have to allow it, and older versions call it “Settings → "
        "Connectors”."
    ),
    gettext_noop("The command could not be confirmed there; the file could."),
    gettext_noop("The name of the field, serverUrl, could not be confirmed there."),
    gettext_noop(
        "This is for version 2; version 1 has no level “servers” in its file."
    ),
    gettext_noop(
        "That it logs in by OAuth could not be confirmed; if it does not, use a token."
    ),
    gettext_noop("Other SDKs take the same URL and header."),
)
"""What `clients.toml` says in words, for those who translate."""


class Way(enum.StrEnum):
    """How a program is let in."""

    OPEN = "open"
    """Anybody is."""
    OAUTH = "oauth"
    """It logs in, in its user's browser."""
    TOKEN = "token"
    """Its user gives it a token."""
    LOCAL = "local"
    """It starts the server itself, as one user."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a program is connected to.

    Attributes:
        name: Of the server.
        title: What people call it.
        url: Of the endpoint.
        token: What lets the program in; a placeholder for one that is not known.
        command: What starts the server, the program first; empty where that is not
            known.
    """

    name: str
    title: str
    url: str
    token: str = PLACEHOLDER
    command: Sequence[str] = ()

    @property
    def key(self) -> str:
        """The name in characters that every program takes in its configuration."""
        return _NO_KEY.sub("-", self.name).strip("-_") or "mcp"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        says: It, in words.
        code: What to copy; "" for nothing.
        href: Where a link leads; "" for none.
        label: Of the link.
        is_instead: Whether it is in place of the step before, not after it.
    """

    says: str
    code: str = ""
    href: str = ""
    label: str = ""
    is_instead: bool = False


_Table: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """A program, or a kind of them.

    Attributes:
        name: By which it is asked for, such as "claude-code".
        checked: When the instructions were last looked up.
        source: Where.
        is_hosted: Whether it connects from its makers' machines.
    """

    name: str
    checked: datetime.date
    source: str
    is_hosted: bool
    _title: str
    _doubt: str
    _steps: Sequence[_Table]

    @property
    def title(self) -> str:
        """What people call it."""
        return _(self._title)

    @property
    def doubt(self) -> str:
        """What could not be confirmed, in words; "" for nothing."""
        return _(self._doubt) if self._doubt else ""

    def can(self, way: Way) -> bool:
        """Say whether it can be let in in a way."""
        return any(_is_for(step, way) for step in self._steps)

    def steps(self, target: Target, way: Way) -> list[Step]:
        """Give what to do, in order; nothing where `can` says no."""
        fill = _Filling(target)
        return [
            replace(self._step(step, fill), is_instead=step.get("instead", False))
            for step in self._steps
            if _is_for(step, way)
        ]

    def _step(self, step: _Table, fill: _Filling) -> Step:
        names = {"client": self.title}
        match step:
            case {"link": link}:
                return Step(
                    _("Click this, and confirm it there:"),
                    href=_address(link, step, fill),
                    label=_("Add to %(client)s") % names,
                )
            case {"shell": commands}:
                return Step(_("Run this in a terminal:"), fill.commands(commands))
            case {"login": commands}:
                says = _("If it has not asked you to log in, run this in a terminal:")
                return Step(says, fill.commands(commands))
            case {"file": file}:
                says = _("Put this into the file %(file)s:") % {"file": file}
                return Step(says, _content(step, fill))
            case {"menu": menu, "json": content}:
                says = _("Open %(menu)s there, and paste this:")
                return Step(says % {"menu": _path(menu)}, _json(fill.values(content)))
            case {"menu": menu}:
                says = _("Open %(menu)s there, and give this URL:")
                return Step(says % {"menu": _path(menu)}, fill.text("{url}"))
            case {"type": typed}:
                says = _("If it has not asked you to log in, type this in %(client)s:")
                return Step(says % names, fill.text(typed))
            case {"python": code, "package": package}:
                says = _("In Python, with the package %(package)s:")
                return Step(says % {"package": package}, fill.code(code))
        raise ValueError(
            f"clients.toml: {self.name} has a step without a verb: {step!r}"
        )


def find_client(name: str) -> Client | None:
    """Give the client of a name; None if there is none."""
    return next((client for client in all_clients() if client.name == name), None)


@cache
def all_clients() -> Sequence[Client]:
    """Give the clients whose instructions we have."""
    text = files("mcp_django.pages").joinpath("clients.toml").read_text("utf-8")
    return tuple(
        Client(
            name=table["name"],
            checked=table["checked"],
            source=table["source"],
            is_hosted=table.get("hosted", False),
            _title=table["title"],
            _doubt=table.get("doubt", ""),
            _steps=table["steps"],
        )
        for table in tomllib.loads(text)["client"]
    )


class _Filling:
    """Puts what is known of a server in the place of fields such as "{url}"."""

    def __init__(self, target: Target) -> None:
        program, *arguments = target.command or ("",)
        self._arguments = arguments
        self._known = {
            "name": target.key,
            "title": target.title,
            "url": target.url,
            "token": target.token,
            "program": program,
        }

    def text(self, text: str) -> str:
        """Fill in a text as it is."""
        return _FIELD.sub(lambda field: self._known[field[1]], text)

    def code(self, text: str) -> str:
        """Fill in literals of Python."""
        filled = _FIELD.sub(lambda field: json.dumps(self._known[field[1]]), text)
        return filled.strip()

    def commands(self, commands: Sequence[Sequence[str]]) -> str:
        """Fill in commands, each on a line of its own."""
        return "\n".join(shlex.join(self._words(words)) for words in commands)

    def _words(self, words: Sequence[str]) -> Iterator[str]:
        for word in words:
            if word == _ARGUMENTS:
                yield from self._arguments
            else:
                yield self.text(word)

    def values(self, value: Any) -> Any:
        """Fill in keys and texts of an object of JSON."""
        if value == _ARGUMENTS:
            return self._arguments
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(key): self.values(v) for key, v in value.items()}
            case list():
                return [self.values(v) for v in value]
        return value


def _is_for(step: _Table, way: Way) -> bool:
    return way in step["ways"]


def _path(menu: Sequence[str]) -> str:
    return " → ".join(menu)


def _json(content: JSON) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _content(step: _Table, fill: _Filling) -> str:
    if "toml" in step:
        return write_toml(fill.values(step["toml"]))
    return _json(fill.values(step["json"]))


def _address(link: str, step: _Table, fill: _Filling) -> str:
    if "query_json" in step:
        return f"{link}?{quote(_compact(fill.values(step['query_json'])), safe='')}"
    query = {
        name: value if isinstance(value, str) else _base64(value)
        for name, value in fill.values(step["query"]).items()
    }
    return f"{link}?{urlencode(query, quote_via=quote)}"


def _base64(content: JSON) -> str:
    return base64.b64encode(_compact(content).encode()).decode("ascii")


def _compact(content: JSON) -> str:
    return json.dumps(content, separators=(",", ":"))
