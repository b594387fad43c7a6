"""Settings of the fixture site with tokens of OAuth, of the site itself.

It has a name of its own, so that tokens can be made before the port is known.
"""

from benchmarks.sites.with_tokens import *  # noqa: F403 - settings are made to be taken over
from mcp_django.oauth.preset import oauth2_provider

INSTALLED_APPS = [*INSTALLED_APPS, "mcp_django.oauth", "oauth2_provider"]  # noqa: F405 - one of the settings taken over
ROOT_URLCONF = "benchmarks.sites.oauth_urls"
OAUTH2_PROVIDER = oauth2_provider()
MCP = {**MCP, "PUBLIC_URL": "https://site.example"}  # noqa: F405 - one of the settings taken over
