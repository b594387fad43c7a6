"""Checks of lazy texts: whether each can be made, in every language of the site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import global_settings, settings
from django.core import checks
from django.urls import get_resolver
from django.utils import translation

from mcp_django.checks.servers import known_servers
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.server import Server
from mcp_django.server.texts import has_lazy_text, without_failing


def check_texts(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find texts that are left out of lists, because making them raises.

    A URL that `reverse_lazy` does not find, a translation with a wrong placeholder.
    """
    told = _fault_of_urlconf()
    return [
        message
        for server in known_servers()
        for what, entry in _lazy_entries(server)
        for message in _faults_of(server, what, entry, told)
    ]


def _fault_of_urlconf() -> str | None:
    """Say what is wrong with the URLconf: Django's own checks tell of that."""
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return None
    try:
        get_resolver().url_patterns  # noqa: B018
    except BaseException as error:  # whatever its modules do when they are imported
        return repr(error)
    return None


def _lazy_entries(server: Server) -> Iterator[tuple[str, JSONObject]]:
    said = {**server.implementation, "instructions": server.instructions}
    if has_lazy_text(said):
        yield f"server {server.name!r}", said
    for kind, features in (
        ("tool", server.tools),
        ("resource", server.resources),
        ("prompt", server.prompts),
    ):
        for key, feature in features.items():
            if feature.has_lazy_text:
                yield f"{kind} {key!r}", feature.entry


def _faults_of(
    server: Server, what: str, entry: JSONObject, told: str | None
) -> Iterator[checks.CheckMessage]:
    # Place and fault -> the languages that have it.
    found: dict[tuple[str, str], list[str]] = {}
    languages = _languages()
    for language in languages:

        def add(place: str, error: BaseException, language: str = language) -> None:
            if repr(error) != told:
                fault = f"{type(error).__name__}: {_text_of(error)}"
                found.setdefault((place, fault), []).append(language)

        with translation.override(language):
            without_failing(entry, add)
    for (place, fault), failing in found.items():
        in_some = len(failing) < len(languages)
        where = f" in {', '.join(map(repr, failing))}" if in_some else ""
        yield checks.Warning(
            f"The text {place!r} of {what} cannot be made{where}: {fault}",
            hint="Clients are shown the rest without it. Mend it, such as the name "
            "of a URL or the placeholders of a translation.",
            obj=server,
            id="mcp_django.W090",
        )


def _languages() -> list[str]:
    """Give the site's languages; the default one, if it chose none.

    Django's own list is of a hundred, and loading them all takes seconds.
    """
    codes = [code for code, _ in settings.LANGUAGES]
    has_chosen = settings.USE_I18N and settings.LANGUAGES != global_settings.LANGUAGES
    return codes if has_chosen and codes else [settings.LANGUAGE_CODE]


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "its text cannot be made"
