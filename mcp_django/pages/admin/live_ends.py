"""What the page "Live" ends, and how it asks before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _

from mcp_django.operations.ending import split_feature
from mcp_django.operations.users import is_primary_key, names_of
from mcp_django.pages.admin.live_view import Open, Owner

_KINDS: Final = ("connection", "user", "credential", "program", "feature")


@dataclass(frozen=True, slots=True)
class End:
    """Something to end.

    Attributes:
        kind: What is named, as `operations.end` has it; "all" for everything.
        name: Its name; of users the primary key.
    """

    kind: str
    name: str = ""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what an address or a form says; None if that is nothing to end."""
        kind, _colon, name = text.partition(":")
        if text == "all":
            return cls("all")
        if kind not in _KINDS or not name:
            return None
        if kind == "user" and not is_primary_key(name):
            return None
        if kind == "feature":
            try:
                split_feature(name)
            except ValueError:
                return None
        return cls(kind, name)

    def __str__(self) -> str:
        """Write it for an address or a form."""
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What `operations.end` takes."""
        match self.kind:
            case "all":
                return {"everything": True}
            case "user":
                return {"user": self.user}
        return {self.kind: self.name}

    @property
    def user(self) -> Any:
        """The user that is meant, of whom the primary key will do; else None."""
        return get_user_model()(pk=self.name) if self.kind == "user" else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of what there is to choose.

    Attributes:
        end: What ends by it.
        label: What is said of it.
    """

    end: End
    label: str


def choices_for(end: End, rows: Sequence[Open]) -> list[Choice]:
    """Offer what to end: what was asked for, and of a connection more of its kind.

    Args:
        end: What was asked for.
        rows: What is open of it.
    """
    first = [Choice(end, _label_of(end, rows))]
    if end.kind != "connection" or not rows:
        return first
    [row] = rows
    more = [End("user", row.owner.key)] if row.owner.key else []
    if row.credential is not None:
        more.append(End("credential", row.credential.label))
    if row.program is not None:
        more.append(End("program", row.program.label))
    # A method, such as "ping", is no feature.
    more += [
        feature
        for name in dict.fromkeys(row.running)
        if (feature := End.read(f"feature:{row.server}/{name}")) is not None
    ]
    return [*first, *(Choice(each, _label_of(each, rows)) for each in more)]


def _label_of(end: End, rows: Sequence[Open]) -> str:
    match end.kind:
        case "all":
            return _("All that is open, of all users")
        case "connection":
            return _("This one alone, and the session that it belongs to")
        case "user":
            user = Owner(end.name, names_of([end.name]).get(end.name, ""))
            return _("All that is open of %(user)s") % {"user": user}
        case "feature":
            return _("All calls of %(feature)s, of all users") % {"feature": end.name}
    known = {each.label: each.shown for row in rows for each in row.credentials}
    name = known.get(end.name, end.name)
    if end.kind == "program":
        return _("All that %(program)s has opened, of all users") % {"program": name}
    said = _("All that was opened with the credential %(credential)s")
    return said % {"credential": name}
