"""The fixture site, of which features can be switched off."""

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 - one of the settings taken over
    "mcp_django.switches",
]
