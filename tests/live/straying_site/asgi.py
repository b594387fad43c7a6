"""The site as ASGI applications.

`application` takes MCP requests straight; `plain` leaves all of them to Django.
"""

import os

from django.core.asgi import get_asgi_application

from mcp_django.asgi import MCPRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.live.straying_site.settings")

plain = get_asgi_application()
application = MCPRouter(plain)
