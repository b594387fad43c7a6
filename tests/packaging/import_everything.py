"""Import every module of the installed package; run in an environment of its own.

The arguments are the extras that are installed there. What cannot be imported has to
name an extra that is not among them.
"""

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterator

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import mcp_django

EXPECTED = {
    # pytest alone imports it.
    "mcp_django.testing.fixtures": re.compile("No module named 'pytest'"),
}
EXTRA = re.compile(r"\w+ is not installed; install mcp-django-channels\[(\w+)\]")
SETTINGS = {
    "SECRET_KEY": "x" * 50,
    "DATABASES": {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    },
    "INSTALLED_APPS": [
        "channels",
        "corsheaders",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "mcp_django",
        "mcp_django.tokens",
        "mcp_django.audit",
        "mcp_django.switches",
        "mcp_django.oauth",
    ],
}
TOOLKIT = "oauth2_provider"
OF_TOOLKIT = (
    "mcp_django.oauth.authenticators.toolkit",
    "mcp_django.oauth.authorization_server.",
)
"""What is imported where the app of django-oauth-toolkit is installed, and what says
there is no such package, or no such app."""

OF_TELEMETRY = "mcp_django.telemetry."
"""What is imported where its app is installed, which says what is missing."""


def faults(extras: list[str]) -> Iterator[str]:
    """Import all modules, and give what is wrong with any."""
    names = [
        module.name
        for module in pkgutil.walk_packages(mcp_django.__path__, "mcp_django.")
    ]
    if len(names) < 100:
        yield f"only {len(names)} modules are installed: {names}"
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            text = str(error)
            extra = EXTRA.fullmatch(text)
            is_told = extra is not None and extra[1] not in extras
            if name.startswith(OF_TOOLKIT) and "oauth" not in extras:
                is_told = error.name in {TOOLKIT, "oauthlib"}
            if name.startswith(OF_TELEMETRY) and "otel" not in extras:
                is_told = error.name == "opentelemetry"
            if not is_told and not (
                name in EXPECTED and EXPECTED[name].fullmatch(text)
            ):
                yield f"{name}: {error!r}"
        except ImproperlyConfigured as error:
            is_told = name.startswith(OF_TOOLKIT) and repr(TOOLKIT) in str(error)
            if not is_told or "oauth" in extras:
                yield f"{name}: {error!r}"
        except Exception as error:
            yield f"{name}: {error!r}"


def main() -> None:
    """Exit with what is wrong, if anything is."""
    apps = list(SETTINGS["INSTALLED_APPS"])
    if "oauth" in sys.argv[1:]:
        apps.append(TOOLKIT)
    if importlib.util.find_spec("cryptography") is not None:
        # Without it, the import says which extra is missing before Django minds.
        apps.append("mcp_django.accounts")
    settings.configure(**{**SETTINGS, "INSTALLED_APPS": apps})
    django.setup()
    if found := list(faults(sys.argv[1:])):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
