"""The language that a URL names, as below `i18n_patterns`.

`LocaleMiddleware` takes it before anything else that a request says, and MCP requests
pass no middleware. So it is put first among what the client prefers: `Accept-Language`
has it then, on every binding and in every worker.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.utils import translation

from mcp_django.consumers.exchange import Scope

_HEADER = b"accept-language"


def language_of_path(path_info: str, urlconf: Any = None) -> str | None:
    """Give the language that a path begins with; None where paths have none.

    Args:
        path_info: The path below the script name.
        urlconf: A URLconf other than `ROOT_URLCONF`.
    """
    is_used, _ = is_language_prefix_patterns_used(urlconf or settings.ROOT_URLCONF)
    return translation.get_language_from_path(path_info) if is_used else None


def preferring(language: str, scope: Scope) -> Scope:
    """Give a scope whose client prefers a language."""
    preferred = [language.encode()]
    others: list[tuple[bytes, bytes]] = []
    for name, value in scope["headers"]:
        if name.lower() == _HEADER:
            preferred.append(value)
        else:
            others.append((name, value))
    return {**scope, "headers": [*others, (_HEADER, b", ".join(preferred))]}
