"""System checks: what can be known to be wrong before the first client comes.

Ids are `mcp_django.E0xx` and `mcp_django.W0xx`, in tens by subject, each a module:
`setting`, `authentication` and `limits` 00x, `servers`, `reach` and
`hosts` 01x, `asgi` and `urlconfs` 02x, `channel_layers` 03x, `origins` 04x, `caches`
05x, `schemas` and `hosts` 06x, `permissions` 07x, `transactions` 08x, `texts` 09x,
rates in `limits` 155, `https` 160, `health` 165, `audit` 170, `traces` 185. No check
ever raises: one that cannot look at something leaves it to the check whose business it
is, ours or Django's.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage

from mcp_django.checks.asgi import check_asgi, check_runserver
from mcp_django.checks.audit import check_audit
from mcp_django.checks.authentication import check_authentication
from mcp_django.checks.caches import check_caches, check_kept_caches
from mcp_django.checks.channel_layers import (
    check_channel_layer,
    check_kept_credentials,
    check_redis_timeout,
    check_several_processes,
)
from mcp_django.checks.health import check_health
from mcp_django.checks.hosts import check_hosts_of_models
from mcp_django.checks.https import check_https
from mcp_django.checks.limits import check_limits, check_rates
from mcp_django.checks.origins import check_cors, check_hosts
from mcp_django.checks.permissions import check_permissions
from mcp_django.checks.reach import check_reach
from mcp_django.checks.schemas import check_schemas
from mcp_django.checks.servers import check_servers
from mcp_django.checks.setting import check_setting
from mcp_django.checks.texts import check_texts
from mcp_django.checks.traces import check_traces
from mcp_django.checks.transactions import check_transactions
from mcp_django.checks.urlconfs import check_urlconfs

_CHECKS = (
    check_setting,
    check_authentication,
    check_limits,
    check_rates,
    check_servers,
    check_reach,
    check_hosts_of_models,
    check_schemas,
    check_transactions,
    check_permissions,
    check_texts,
    check_runserver,
    check_asgi,
    check_urlconfs,
    check_health,
    check_audit,
    check_channel_layer,
    check_redis_timeout,
    check_hosts,
    check_cors,
    check_caches,
    check_traces,
)
_DEPLOYMENT_CHECKS = (
    check_https,
    check_several_processes,
    check_kept_credentials,
    check_kept_caches,
)


def check_project(**kwargs: Any) -> list[CheckMessage]:
    """Run the checks of every project."""
    return [message for check in _CHECKS for message in check(**kwargs)]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Run those of a project that is being deployed."""
    return [message for check in _DEPLOYMENT_CHECKS for message in check(**kwargs)]
