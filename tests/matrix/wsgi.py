"""The application of the matrix over WSGI."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.matrix.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
