"""The fixture site with authentication: sessions of Django, and tokens.

Optional environment variables, RECHECK_SECONDS, CREDENTIAL_CACHE_SECONDS and MAX_RATE,
are the settings of the same names.
"""

import os

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 - one of the settings taken over
    "django.contrib.sessions",
    "mcp_django.tokens",
]
MCP = {"EVENT_STORE_CACHE": "default"}
for name in ("RECHECK_SECONDS", "CREDENTIAL_CACHE_SECONDS", "MAX_RATE"):
    if name in os.environ:
        MCP[name] = float(os.environ[name])
