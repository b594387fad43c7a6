"""System checks of OAuth, beside those of `mcp_django.checks`, with the same rules.

Ids are `mcp_django.E1xx` and `mcp_django.W1xx`, in tens by subject: `include` and
`resource_server` 10x, `toolkit` 11x, `client_policy` 12x, `issuers` 13x,
`login_page` 15x; 14x is what `mcp_django.accounts` says.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage

from mcp_django.oauth.checks.client_policy import check_client_policy
from mcp_django.oauth.checks.include import check_include
from mcp_django.oauth.checks.issuers import check_issuers
from mcp_django.oauth.checks.login_page import check_login_page
from mcp_django.oauth.checks.resource_server import (
    check_authenticators,
    check_public_url,
)
from mcp_django.oauth.checks.toolkit import check_toolkit

_CHECKS = (
    check_include,
    check_public_url,
    check_authenticators,
    check_toolkit,
    check_client_policy,
    check_issuers,
    check_login_page,
)


def check_project(**kwargs: Any) -> list[CheckMessage]:
    """Run the checks of every project that has the app."""
    return [message for check in _CHECKS for message in check(**kwargs)]
