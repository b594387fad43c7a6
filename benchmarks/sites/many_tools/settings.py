"""Settings of the site: those of the fixture, with other tools."""

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    "benchmarks.sites.many_tools" if app == "tests.conformance" else app
    for app in INSTALLED_APPS  # noqa: F405 - one of the settings taken over
]
ROOT_URLCONF = "benchmarks.sites.many_tools.urls"
