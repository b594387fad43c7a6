"""The Django project that the test suite runs in."""

import os
import tempfile
from pathlib import Path

from mcp_django.oauth.preset import oauth2_provider

BASE_DIR = Path(__file__).resolve().parent

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "[::1]"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "mcp_django",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "mcp_django.tokens",
    "mcp_django.oauth",
    "mcp_django.accounts",
    "mcp_django.audit",
    "mcp_django.pages",
    "mcp_django.switches",
    "oauth2_provider",
    "tests.site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "mcp_django.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.urls"
ASGI_APPLICATION = "tests.asgi.application"
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
# Connections of several threads wait for each other, but only in a file; that it is on
# the disk after each transaction is worth no test's time.
SQLITE = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;",
}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "tests.sqlite3",
        "OPTIONS": SQLITE,
        # Two runs at a time must not share it.
        "TEST": {
            "NAME": Path(tempfile.gettempdir()) / f"mcp-django-{os.getpid()}.sqlite3"
        },
    },
    # A second one, for tests that ask for it.
    "archive": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "archive.sqlite3",
        "OPTIONS": SQLITE,
        "TEST": {
            "NAME": Path(tempfile.gettempdir()) / f"mcp-archive-{os.getpid()}.sqlite3",
            "MIGRATE": False,
        },
    },
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
OAUTH2_PROVIDER = oauth2_provider()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
