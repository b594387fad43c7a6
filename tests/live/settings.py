"""The fixture site with authentication: sessions of Django, and tokens.

An optional environment variable, RECHECK_SECONDS, is the setting of the same name.
"""

import os

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 - one of the settings taken over
    "django.contrib.sessions",
    "mcp_django.tokens",
]
MCP = {"EVENT_STORE_CACHE": "default"}
if "RECHECK_SECONDS" in os.environ:
    MCP = {**MCP, "RECHECK_SECONDS": float(os.environ["RECHECK_SECONDS"])}
