"""Settings of the demo, with a server beside it that needs no credentials."""

from demo_project.settings import *  # noqa: F403
from demo_project.settings import MCP

ROOT_URLCONF = "tests.matrix.urls"
WSGI_APPLICATION = "tests.matrix.wsgi.application"
SHUTDOWN_SECONDS = 3
MCP = {**MCP, "AUTHENTICATION": [], "SHUTDOWN_SECONDS": SHUTDOWN_SECONDS}
