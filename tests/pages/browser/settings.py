"""A site with a console, for a Daphne of its own and more features than fit a page."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403 - settings are made to be taken over
from tests.settings import DATABASES as _DATABASES
from tests.settings import INSTALLED_APPS as _APPS

DEBUG = True
_OTHERS = ("mcp_django.oauth", "mcp_django.accounts", "oauth2_provider", "tests.site")
INSTALLED_APPS = [app for app in _APPS if app not in _OTHERS]
ROOT_URLCONF = "tests.pages.browser.urls"
DATABASES = {
    "default": {**_DATABASES["default"], "NAME": os.environ["CONFORMANCE_DATABASE"]}
}
LOGIN_URL = "enter"
MCP = {"PAGE_SIZE": 6, "RECHECK_SECONDS": 1.0}
