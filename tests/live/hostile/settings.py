"""The fixture site with other features."""

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

INSTALLED_APPS = [
    *[app for app in INSTALLED_APPS if app != "tests.conformance"],  # noqa: F405 - one of the settings taken over
    "tests.live.hostile",
]
ROOT_URLCONF = "tests.live.hostile.urls"
