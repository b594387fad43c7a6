"""Ending sessions, streams and calls, in all workers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings

from mcp_django.auth.labels import (
    label_of_access_token,
    label_of_application,
    label_of_token,
)
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.session_id import mark_of
from mcp_django.exchanges.session_state import note_ends_before
from mcp_django.operations.users import owner_of_saved
from mcp_django.worker.asking import Answers, ask_all
from mcp_django.worker.operator_ends import Ended

_UNKEPT: Final = (
    "the cache does not take which sessions have ended: workers that run know, and "
    "note it there as soon as they can; one that is started before may take their ids"
)
_MAX_SECONDS_AHEAD: Final = 1.0
_FEATURE: Final = re.compile(
    r"(?P<feature>(?:tool|resource|prompt):.+)"
    r"|(?P<server>.+?)/(?P<its_feature>(?:tool|resource|prompt):.+)",
    re.DOTALL,
)


async def aend(
    *,
    user: Any = None,
    token: Any = None,
    credential: str | None = None,
    program: Any = None,
    feature: str | None = None,
    connection: str | None = None,
    everything: bool = False,
) -> Answers:
    """End what is open, in all workers; say whose or what, exactly one of them.

    Requests that run or wait are answered with an error. What comes in afterwards is
    taken as ever: deactivate the user, or revoke the token, to keep them out.

    Args:
        user: Whose sessions, streams and calls to end.
        token: A token of `mcp_django.tokens`, or an access token of the site's own
            authorization server: what it opened ends.
        credential: The same for any credential, by the label that `Identity.label` and
            the audit trail have, such as "token 7".
        program: A program of OAuth, by its client id, or its row: what was opened with
            any of its tokens ends.
        feature: Such as "tool:refund", or "shop/tool:refund" for that of one server:
            its calls end, each with an error.
        connection: One stream or call, by the `id` that `astatus(listed=...)` tells of
            it. A session over Streamable HTTP that it belongs to ends, too.
        everything: Whether all sessions, streams and calls end.

    Returns:
        How many `streams` and `calls` each worker ended.

    Raises:
        ValueError: It is none of these, or several.
    """
    given = {
        "user": user,
        "token": token,
        "credential": credential,
        "program": program,
        "feature": feature,
        "connection": connection,
        "everything": everything or None,
    }
    return await _tell(await meant_by(given, "end"))


async def meant_by(given: Mapping[str, Any], called: str) -> Ended:
    """Give what an operator names, which is to end or to be listed.

    Args:
        given: What `aend` takes; exactly one value is not None.
        called: The function that it was given to, for the error.

    Raises:
        ValueError: It is none of these, or several.
    """
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) != 1:
        raise ValueError(
            f"{called}() needs exactly one of user=, token=, credential=, program=, "
            "feature=, connection=, everything=True, not "
            f"{' and '.join(named) or 'none'}"
        )
    [(name, value)] = named.items()
    before = time.time()
    match name:
        case "user":
            return Ended("user", [owner_of_saved(value)], before)
        case "token":
            return Ended("credential", [_label_of(value)], before)
        case "credential":
            return Ended("credential", [_text(value, name)], before)
        case "program":
            return Ended("program", await _names_of_program(value), before)
        case "feature":
            feature, server = split_feature(str(value))
            return Ended("feature", [feature], before, server)
        case "connection":
            return Ended("connection", [_text(value, name)], before)
    return Ended("all", [""], before)


def end(
    *,
    user: Any = None,
    token: Any = None,
    credential: str | None = None,
    program: Any = None,
    feature: str | None = None,
    connection: str | None = None,
    everything: bool = False,
) -> Answers:
    """End what is open, in all workers; as `aend`, for code that is not async."""
    return async_to_sync(aend)(
        user=user,
        token=token,
        credential=credential,
        program=program,
        feature=feature,
        connection=connection,
        everything=everything,
    )


async def _tell(ended: Ended) -> Answers:
    is_kept, is_lasting = True, ended.by not in ("feature", "connection")
    if is_lasting:
        marks = [mark_of(ended.by, name) for name in ended.names]
        try:
            await note_ends_before(marks, ended.before)
        except ServiceAway:
            is_kept = False
    ask = {**ended.as_json(), "is_kept": is_kept}
    answers = await ask_all({"ask": "end", **ask})
    problems = [answers.problem, "" if is_kept else _UNKEPT]
    if is_lasting:
        problems += clocks_ahead(answers, time.time())
    answers.problem = "; ".join(filter(None, problems))
    return answers


def clocks_ahead(answers: Answers, now: float) -> list[str]:
    """Say which workers take sessions that have ended for later ones.

    Args:
        answers: What they answered.
        now: The time here, by which sessions are said to have ended.
    """
    ahead = {worker["host"]: worker["time"] - now for worker in answers.workers}
    return [
        f"the clock of {host} is {seconds:.0f} s ahead: sessions over Streamable HTTP "
        "that were opened there in as long go on; set it, and do this once more"
        for host, seconds in ahead.items()
        if seconds > _MAX_SECONDS_AHEAD
    ]


def split_feature(feature: str) -> tuple[str, str]:
    """Split "shop/tool:refund" into the feature and its server; "" for all servers.

    Raises:
        ValueError: It names no feature.
    """
    found = _FEATURE.fullmatch(feature)
    if found is None:
        raise ValueError(
            "feature= must be such as 'tool:refund', 'resource:shop://orders', "
            "'prompt:greet', or 'shop/tool:refund' for that of one server, not "
            f"{feature!r:.200}"
        )
    return found["feature"] or found["its_feature"], found["server"] or ""


def _label_of(token: Any) -> str:
    """Give the label of what a row is the token of.

    Raises:
        ValueError: It is no token, or not saved.
    """
    kinds = {
        "mcp_tokens.Token": label_of_token,
        _oauth_model("ACCESS_TOKEN", "AccessToken"): label_of_access_token,
    }
    for model, label in kinds.items():
        if _is_row_of(model, token) and token.pk is not None:
            return label(token.pk)
    raise ValueError(
        "token= must be a saved token of mcp_django.tokens, or an access token of "
        f"django-oauth-toolkit, not {type(token).__qualname__}"
    )


async def _names_of_program(program: Any) -> list[str]:
    """Give what the tokens of a program say of it, whichever issuer they are of."""
    model = _oauth_model("APPLICATION", "Application")
    if _is_row_of(model, program):
        return [label_of_application(program.pk), program.client_id]
    names = [_text(program, "program")]
    if apps.is_installed("oauth2_provider"):
        rows = apps.get_model(model)._default_manager.filter(client_id=program)
        names += [
            label_of_application(pk) async for pk in rows.values_list("pk", flat=True)
        ]
    return names


def _oauth_model(setting: str, name: str) -> str:
    """Name a model of django-oauth-toolkit, which a project may replace."""
    usual = f"oauth2_provider.{name}"
    model: str = getattr(settings, f"OAUTH2_PROVIDER_{setting}_MODEL", usual)
    return model


def _is_row_of(model: str, row: Any) -> bool:
    try:
        return isinstance(row, apps.get_model(model))
    except LookupError:  # its app is not installed
        return False


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(
            f"{name}= must be a text that is not empty, not {value!r:.200}"
        )
    return value
