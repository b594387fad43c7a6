"""The site's ASGI application."""

from __future__ import annotations

import os

from mcp_django.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.pages.browser.settings")

application = get_asgi_application()
