"""`manage.py runserver`: Django's development server, which speaks ASGI here.

Django takes the command of the app that is listed first, so that `mcp_django` has to
stand above `django.contrib.staticfiles`.
"""

from __future__ import annotations

import os
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler

from mcp_django.management.daphne_server import MendedServer


class DevelopmentServer(MendedServer):
    """A server that ends the process where it cannot listen, as Django's own does."""

    def run(self) -> None:
        """Serve until interrupted."""
        super().run()
        if self.abort_start:
            # The reloader runs it in a thread, which would end alone.
            os._exit(1)


class Command(DaphneCommand):  # type: ignore[misc]  # Daphne has no types
    """Daphne's own, for projects that do not list `daphne`.

    Without `ASGI_APPLICATION` it is what it was before: Django's, over WSGI.
    """

    server_cls = DevelopmentServer

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until interrupted."""
        if not getattr(settings, "ASGI_APPLICATION", None):
            options["use_asgi"] = False
        super().handle(*args, **options)

    def get_handler(self, *args: Any, **options: Any) -> Any:
        """Give what answers over WSGI, with static files as Django's own has them."""
        handler = super().get_handler(*args, **options)
        has_static = apps.is_installed("django.contrib.staticfiles")
        if not has_static or not options["use_static_handler"]:
            return handler
        is_shown = settings.DEBUG or options["insecure_serving"]
        return StaticFilesHandler(handler) if is_shown else handler
