"""The Django app."""

from __future__ import annotations

import gc
import sys
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.utils.module_loading import autodiscover_modules

from mcp_django.transports.server.stdio import claim_stdout

if sys.argv[1:2] == ["mcp_stdio"] and {"-h", "--help"}.isdisjoint(sys.argv):
    # One of two imports here with an effect: apps that come later in INSTALLED_APPS may
    # print while they are imported, and that would spoil the messages. What settings
    # have printed before is still in Python's buffer, and goes the same way.
    claim_stdout()
    # As `python -m mcp_django stdio` does.
    gc.disable()
elif sys.argv[1:2] in (["runserver"], ["mcp_daphne"]):
    # The other: the first app that imports Twisted's reactor chooses it for all, and
    # Daphne needs that of asyncio. The commands are imported after all apps.
    import daphne.server  # noqa: F401

CHECKS_TAG: Final = "mcp"
"""`manage.py check --tag mcp` runs our system checks alone."""


class MCPConfig(AppConfig):
    """`mcp_django` among the installed apps."""

    name = "mcp_django"
    label = "mcp_django"
    verbose_name = "Model Context Protocol"

    def ready(self) -> None:
        """Import every app's `mcp.py`, and connect what listens and checks."""
        from mcp_django.tracing import traced
        from mcp_django.worker import kept_identities, notices, operated, shutdown

        shutdown.arrange()
        notices.connect()
        kept_identities.connect()
        operated.connect()
        traced.connect()
        register(_check_project, CHECKS_TAG)
        register(_check_deployment, CHECKS_TAG, deploy=True)
        autodiscover_modules("mcp")


# The checks look at every part of the project. A command that runs none, such as a
# server over stdio, starts without importing them all.


def _check_project(**kwargs: Any) -> list[CheckMessage]:
    from mcp_django import checks

    return checks.check_project(**kwargs)


def _check_deployment(**kwargs: Any) -> list[CheckMessage]:
    from mcp_django import checks

    return checks.check_deployment(**kwargs)
