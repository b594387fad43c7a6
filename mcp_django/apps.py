"""The Django app."""

from __future__ import annotations

import sys

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from mcp_django.transports.server.stdio import claim_stdout

if sys.argv[1:2] == ["mcp_stdio"] and {"-h", "--help"}.isdisjoint(sys.argv):
    # One of two imports here with an effect: apps that come later in INSTALLED_APPS may
    # print while they are imported, and that would spoil the messages. What settings
    # have printed before is still in Python's buffer, and goes the same way.
    claim_stdout()
elif sys.argv[1:2] == ["runserver"]:
    # The other: the first app that imports Twisted's reactor chooses it for all, and
    # Daphne needs that of asyncio. The command itself is imported after all apps.
    import daphne.server  # noqa: F401


class MCPConfig(AppConfig):
    """`mcp_django` among the installed apps."""

    name = "mcp_django"
    label = "mcp_django"
    verbose_name = "Model Context Protocol"

    def ready(self) -> None:
        """Import every app's `mcp.py`, and connect what listens and checks."""
        from mcp_django.checks import register_checks
        from mcp_django.worker import kept_identities, notices, shutdown

        shutdown.arrange()
        notices.connect()
        kept_identities.connect()
        register_checks()
        autodiscover_modules("mcp")
