"""Settings of the demo, for one machine and for a production-like check.

Environment:
    DEMO_DEBUG: "0" for settings as behind a TLS proxy; anything else means DEBUG.
    DEMO_DATABASE: Path of the SQLite file; default `demo.sqlite3` beside `manage.py`.
    DEMO_HOSTS: Names of the site, separated by commas; default those of this machine.
    DEMO_OTHER_LIBRARY: URL of the MCP server of another library, such as a second demo;
        default "http://localhost:8001/mcp".
    DEMO_POSTGRES: URL of a PostgreSQL database in place of SQLite, such as
        "postgresql://library:password@127.0.0.1:5432/library"; it needs psycopg.
    DEMO_SECRET_KEY: The secret key; else one is made once and kept beside the database.
    DEMO_STATIC_ROOT: Where `collectstatic` puts files; default `build/static`.
    DEMO_TLS: "0" where no proxy ends TLS though `DEMO_DEBUG` is "0", as on one's own
        machine; anything else means HTTPS alone.
    REDIS_URL: Such as "redis://127.0.0.1:6379/0"; joins several processes.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.management.utils import get_random_secret_key

from mcp_django.oauth.preset import oauth2_provider

BASE_DIR = Path(__file__).resolve().parent.parent
DATABASE = Path(os.environ.get("DEMO_DATABASE", BASE_DIR / "demo.sqlite3"))
REDIS_URL = os.environ.get("REDIS_URL")


def read_secret_key() -> str:
    """Return the key from the environment, or the one kept beside the database."""
    if key := os.environ.get("DEMO_SECRET_KEY"):
        return key
    if str(DATABASE) == ":memory:":
        return get_random_secret_key()
    file = DATABASE.with_name(f"{DATABASE.name}-secret-key")
    if not file.exists():
        # Readable by its owner alone, and so before the key is in it.
        file.touch(mode=0o600)
        file.write_text(get_random_secret_key())
    return file.read_text()


SECRET_KEY = read_secret_key()
DEBUG = os.environ.get("DEMO_DEBUG", "1") != "0"
ALLOWED_HOSTS = os.environ.get("DEMO_HOSTS", "127.0.0.1,localhost,[::1]").split(",")

INSTALLED_APPS = [
    "mcp_django",  # above staticfiles, so that `runserver` speaks ASGI
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "mcp_django.oauth",
    "oauth2_provider",
    "mcp_django.tokens",
    "mcp_django.accounts",
    "mcp_django.audit",
    "mcp_django.pages",
    "mcp_django.switches",
    "demo_project.library",
]

MIDDLEWARE = [
    "mcp_django.middleware.OriginMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "mcp_django.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",  # after sessions, before common
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo_project.urls"
ASGI_APPLICATION = "demo_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "demo_project" / "templates"],
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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE,
        "OPTIONS": {
            # Writers wait for each other, up to 20 seconds, instead of failing.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
if POSTGRES := os.environ.get("DEMO_POSTGRES"):
    parts = urlsplit(POSTGRES)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": parts.hostname,
            "PORT": parts.port,
            "NAME": parts.path.lstrip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": 3, "keepalives_idle": 30},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

MCP: dict[str, Any] = {
    # Pages follow their reader; what models read stays in the language that the
    # descriptions of the tools are written in.
    "LANGUAGE": "en",
    "SITE_NAME": "The Lending Library",
    # Another library, where readers may have an account, too: a second demo will do.
    # Its host is written otherwise than that of this one, because browsers keep one
    # set of cookies for all ports of a host.
    "OTHER_SERVERS": {
        "branch": {
            "url": os.environ.get("DEMO_OTHER_LIBRARY", "http://localhost:8001/mcp"),
            "title": "The library of the next town",
            "scopes": ["mcp:read"],
        },
    },
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "book_list"
LOGOUT_REDIRECT_URL = "book_list"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# MCP clients that know OAuth register here, and log in as the library's readers.
OAUTH2_PROVIDER = oauth2_provider()
# "http" is allowed to programs on the user's own machine alone.
SILENCED_SYSTEM_CHECKS = ["oauth2_provider.W008"]

LANGUAGE_CODE = "en"
# Those of mcp_django's own pages. The library's texts are translated in `locale`.
LANGUAGES = [
    ("de", "Deutsch"),
    ("en", "English"),
    ("es", "Español"),
    ("fr", "Français"),
    ("zh-hans", "简体中文"),
]
LOCALE_PATHS = [BASE_DIR / "demo_project" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

# Daphne serves these itself under DEBUG. Otherwise `collectstatic` puts them into
# STATIC_ROOT for the proxy to serve.
STATIC_URL = "static/"
STATIC_ROOT = os.environ.get("DEMO_STATIC_ROOT", BASE_DIR / "build" / "static")

if not DEBUG and os.environ.get("DEMO_TLS") != "0":
    # Behind a proxy that ends TLS and sets (never passes on) X-Forwarded-Proto.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
