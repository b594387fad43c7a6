"""The site that hangs as ASGI applications: one for each way in."""

import os

from django.core.asgi import get_asgi_application as get_views

from mcp_django.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hanging.settings")

application = get_asgi_application()
views = get_views()
