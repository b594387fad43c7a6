"""Settings of the demo, which says its usual address wherever it listens."""

from demo_project.settings import *  # noqa: F403 - settings are made to be taken over

MCP = {**MCP, "PUBLIC_URL": "http://127.0.0.1:8000"}  # noqa: F405
