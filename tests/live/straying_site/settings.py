"""The fixture site, with another server and its authenticator."""

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [*INSTALLED_APPS, "tests.live.straying_site"]  # noqa: F405 - as above
ROOT_URLCONF = "tests.live.straying_site.mcp"
MCP = {
    "AUTHENTICATION": ["tests.live.straying_site.mcp.ByHeader"],
    "EVENT_STORE_CACHE": "default",
    "RECHECK_SECONDS": 1,
}
