"""The application of the matrix over ASGI."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.matrix.settings")

from mcp_django.asgi import get_asgi_application

application = get_asgi_application()
