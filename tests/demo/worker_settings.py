"""The demo as several workers of one site, which keep credentials for an hour."""

from demo_project.settings import *  # noqa: F403 - settings are made to be taken over

MCP = {
    **MCP,  # noqa: F405
    "PUBLIC_URL": "https://library.example",
    "CREDENTIAL_CACHE_SECONDS": 3600,
}
