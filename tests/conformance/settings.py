"""Settings of the fixture site; nothing has to be set up for `add` and `echo`.

`count_rows` reads a table, so that `migrate` has to come first, as
`make conformance-server` does it. Optional environment variables:

CONFORMANCE_DATABASE: path of the SQLite file.
REDIS_URL: joins several processes over Redis, which then keeps the cache, too.
REDIS_LAYER: "pubsub", the default, or "core": which layer of channels_redis.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent

# Several processes of the fixture seal session ids for each other.
SECRET_KEY = "only for the conformance fixture"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "channels",
    "corsheaders",
    "mcp_django",
    "tests.conformance",
]
MIDDLEWARE = [
    "mcp_django.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "tests.conformance.urls"
ASGI_APPLICATION = "tests.conformance.asgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get(
            "CONFORMANCE_DATABASE", BASE_DIR / "conformance.sqlite3"
        ),
    }
}

if "REDIS_URL" in os.environ:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": {
                "core": "channels_redis.core.RedisChannelLayer",
                "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
            }[os.environ.get("REDIS_LAYER", "pubsub")],
            "CONFIG": {"hosts": [{"address": os.environ["REDIS_URL"]}]},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["REDIS_URL"],
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

MCP: dict[str, object] = {"AUTHENTICATION": [], "EVENT_STORE_CACHE": "default"}
