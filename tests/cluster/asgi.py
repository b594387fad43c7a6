"""The site that the cluster serves, as an ASGI application."""

import os

from mcp_django.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.cluster.settings")

application = get_asgi_application()
