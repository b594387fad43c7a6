"""Settings of the site that hangs; nothing has to be set up.

An optional environment variable, SHUTDOWN_SECONDS, is the setting of the same name.
"""

import os

SECRET_KEY = "only for the fixture that hangs"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "channels",
    "mcp_django",
    "tests.hanging",
]
ROOT_URLCONF = "tests.hanging.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
MCP = {
    "AUTHENTICATION": ["tests.hanging.authentication.NameAuthenticator"],
    "SHUTDOWN_SECONDS": float(os.environ.get("SHUTDOWN_SECONDS", "5")),
}
