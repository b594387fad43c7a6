"""The demo in operation, with a workbench beside: DEBUG off, hashed static files."""

from __future__ import annotations

from demo_project.settings import *  # noqa: F403 - settings are made to be taken over
from demo_project.settings import MCP

DEBUG = False
ROOT_URLCONF = "tests.pages.browser.urls"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tests.pages.browser.static_files.HashedModules"},
}
PASSWORD_HASHERS = [
    f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("MD5", "PBKDF2")
]
# Pages of six, so that the workbench has more features than fit one.
MCP = {**MCP, "PAGE_SIZE": 6, "RECHECK_SECONDS": 1.0}


class _NoMigrations(dict[str, None]):
    """Has the tables made as the models say, which is quicker."""

    def __contains__(self, label: object) -> bool:
        return True

    def __getitem__(self, label: str) -> None:
        return None


MIGRATION_MODULES = _NoMigrations()
