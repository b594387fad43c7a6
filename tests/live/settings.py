"""The fixture site with authentication: sessions of Django, and tokens."""

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 - one of the settings taken over
    "django.contrib.sessions",
    "mcp_django.tokens",
]
MCP = {}
