"""The resource server needs no django-oauth-toolkit: others may issue the tokens."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys

sys.modules["oauth2_provider"] = sys.modules["oauthlib"] = None  # as if not installed

from tests import settings
from django.conf import settings as project

apps = [app for app in settings.INSTALLED_APPS if app != "oauth2_provider"]
project.configure(
    **{name: getattr(settings, name) for name in dir(settings) if name.isupper()}
    | {
        "INSTALLED_APPS": apps,
        "MCP": {"AUTHENTICATION": ["tests.oauth.oauth_sites.NamedUsers"]},
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:1",
            }
        },
    }
)

import django

django.setup()

from django.core.checks import run_checks
from django.test import Client

print([message.id for message in run_checks(tags=["mcp"]) if "E" in message.id])
for url in ("/.well-known/oauth-protected-resource/mcp", "/oauth/token"):
    response = Client().get(url)
    print(response.status_code, response.headers["Content-Type"])
print(Client().get("/.well-known/oauth-authorization-server").status_code)
"""


def test_endpoints_say_who_issues_their_tokens() -> None:
    """Chosen: a company that has an authorization server needs no second one."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[]",
        "200 application/json",
        "404 text/html; charset=utf-8",
        "404",
    ]
