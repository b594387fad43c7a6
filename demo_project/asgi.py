"""The ASGI application: MCP goes straight to mcp_django, the rest to Django."""

import os

from mcp_django.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")

application = get_asgi_application()
