"""Settings of the site.

Environment:
    REGISTERING_PORT: Where PostgreSQL answers, on 127.0.0.1.
"""

import os

from mcp_django.oauth.preset import oauth2_provider

SECRET_KEY = "only for the tests of registration"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "mcp_django",
    "mcp_django.oauth",
    "oauth2_provider",
]
ROOT_URLCONF = "tests.cluster.registering.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["REGISTERING_PORT"],
        "NAME": "postgres",
        "USER": "site",
        # As many sites have it.
        "ATOMIC_REQUESTS": True,
    }
}
OAUTH2_PROVIDER = oauth2_provider()
MCP = {"CLIENT_POLICY": "tests.cluster.registering.policy.Few"}
