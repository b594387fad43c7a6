"""What tokens may allow of what their users may do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils.functional import Promise
from django.utils.module_loading import import_string


def known_scopes() -> Mapping[str, str | Promise]:
    """Give the scopes that the project's servers have, in words."""
    found: Mapping[str, str | Promise] = _all_scopes()()
    return found


@cache
def _all_scopes() -> Any:
    """Find what knows them: of a layer above this one."""
    return import_string("mcp_django.server.discovery.all_scopes")
