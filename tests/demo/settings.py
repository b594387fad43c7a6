"""The demo as it is, but its streams look at their credentials every second."""

from demo_project.settings import *  # noqa: F403 - settings are made to be taken over

MCP = {**MCP, "RECHECK_SECONDS": 1.0}  # noqa: F405
