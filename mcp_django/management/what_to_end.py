"""What `manage.py mcp_status --end` names, looked up where names are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.db.models import Model

from mcp_django.auth.named_users import user_named
from mcp_django.operations.ending import split_feature
from mcp_django.server.discovery import all_servers

WRONG: Final = 2
"""Exit status of a command that was given something wrong, as of an unknown option."""

HOW: Final = (
    "must be user:USERNAME, token:ID, token:oauth:ID, credential:LABEL, "
    "program:CLIENT_ID, feature:tool:NAME (or resource:, prompt:, or "
    "feature:SERVER/tool:NAME), connection:ID or all"
)

_MAX_LOOKED_THROUGH: Final = 1000


@dataclass(frozen=True, slots=True)
class WhatToEnd:
    """What to end.

    Attributes:
        arguments: For `operations.end`.
        unknown: What to say if nothing was ended: that this site knows no such thing.
            It is no fault before, for other processes may know it.
    """

    arguments: Mapping[str, Any]
    unknown: str = ""


def read_what(text: str) -> WhatToEnd:
    """Find what an option names.

    Raises:
        CommandError: It names nothing, or nothing that there is.
    """
    kind, _, name = text.partition(":")
    if text == "all":
        return WhatToEnd({"everything": True})
    if not name:
        raise wrong(f"--end {HOW}, not {text!r:.200}")
    match kind:
        case "user":
            return WhatToEnd({"user": _user(name)})
        case "token":
            return WhatToEnd({"token": _token(name)})
        case "credential":
            return WhatToEnd({"credential": name})
        case "program":
            return WhatToEnd({"program": name}, _unknown_program(name))
        case "connection":
            unknown = f"nothing is open that has the id {name!r:.200}; see --open"
            return WhatToEnd({"connection": name}, unknown)
        case "feature":
            return WhatToEnd({"feature": name}, _unknown_feature(name))
    raise wrong(f"--end {HOW}, not {text!r:.200}")


def wrong(text: str) -> CommandError:
    """Make the error of a command that was given something wrong."""
    return CommandError(text, returncode=WRONG)


def _user(name: str) -> Any:
    user = user_named(name)
    if user is None:
        users = get_user_model()
        field = users.USERNAME_FIELD
        some = users._default_manager.filter(**{f"{field}__istartswith": name[:1]})
        names = some.values_list(field, flat=True)[:_MAX_LOOKED_THROUGH]
        raise wrong(f"there is no user {name!r:.200}{_near(name, names)}")
    return user


def _token(name: str) -> Any:
    is_oauth, id = name.startswith("oauth:"), name.removeprefix("oauth:")
    if is_oauth:
        model = _oauth_model("ACCESS_TOKEN", "AccessToken")
        label, needed = f"OAuth token {id}", "oauth2_provider"
    else:
        model = _model("mcp_tokens.Token")
        label, needed = f"token {id}", "mcp_django.tokens"
    if model is None:
        raise wrong(f"--end token:{name:.200} needs {needed} in INSTALLED_APPS")
    try:
        return model._default_manager.get(pk=id)
    except (ObjectDoesNotExist, ValueError, ValidationError):
        raise wrong(
            f"there is no {'access token' if is_oauth else 'token'} with the id "
            f"{id!r:.200}; what one opened that was deleted is ended by "
            f"{'credential:' + label!r:.200}"
        ) from None


def _unknown_program(name: str) -> str:
    model = _oauth_model("APPLICATION", "Application")
    ids: list[str] = []
    if model is not None:
        programs = model._default_manager
        if programs.filter(client_id=name).exists():
            return ""
        ids += programs.values_list("client_id", flat=True)[:_MAX_LOOKED_THROUGH]
    return f"no program {name!r:.200} has opened anything{_near(name, ids)}"


def _unknown_feature(name: str) -> str:
    """Say that no server has a feature; "" if one has.

    Raises:
        CommandError: It is no feature's name, or of a server that there is not.
    """
    try:
        feature, its_server = split_feature(name)
    except ValueError as error:
        raise wrong(str(error)) from None
    servers = all_servers()
    if its_server and all(server.name != its_server for server in servers):
        names = [server.name for server in servers]
        raise wrong(f"there is no server {its_server!r:.200}{_near(its_server, names)}")
    known = {
        f"{kind}:{each}"
        for server in servers
        if its_server in ("", server.name)
        for kind, names in (
            ("tool", server.tools),
            ("resource", server.resources),
            ("prompt", server.prompts),
        )
        for each in names
    }
    if feature in known:
        return ""
    where = f"server {its_server!r} has no" if its_server else "no server here has a"
    return f"no call was ended: {where} {feature!r:.200}{_near(feature, known)}"


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _oauth_model(setting: str, name: str) -> type[Model] | None:
    usual = f"oauth2_provider.{name}"
    return _model(getattr(settings, f"OAUTH2_PROVIDER_{setting}_MODEL", usual))


def _model(name: str) -> type[Model] | None:
    try:
        return apps.get_model(name)
    except LookupError:  # its app is not installed
        return None
