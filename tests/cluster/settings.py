"""Settings of the site that the cluster serves.

Environment:
    CLUSTER_DATABASE_PORT: Where PostgreSQL answers, on 127.0.0.1.
    CLUSTER_CACHE: Redis for the cache.
    CLUSTER_LAYER: Redis for the channel layer.
    CLUSTER_LAYER_KIND: "core" or "pubsub": which layer of channels_redis.
    CLUSTER_FOLDER: Where the handlers write down what they did.
    CLUSTER_KEYS: Keys beside the first, as JSON, newest first; optional.
    CLUSTER_MCP: More of the setting MCP, as JSON; optional.
"""

import json
import os

# The workers of a cluster seal session ids for each other.
_keys: list[str] = json.loads(os.environ.get("CLUSTER_KEYS", "[]"))
_keys.append("only for the tests of the cluster")
SECRET_KEY, SECRET_KEY_FALLBACKS = _keys[0], _keys[1:]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "corsheaders",
    "mcp_django",
    "mcp_django.tokens",
    "tests.cluster",
]
MIDDLEWARE = [
    "mcp_django.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.cluster.urls"
ASGI_APPLICATION = "tests.cluster.asgi.application"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Nothing here is set but the addresses: so it is what most projects have.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["CLUSTER_DATABASE_PORT"],
        "NAME": "postgres",
        "USER": "site",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": {
            "core": "channels_redis.core.RedisChannelLayer",
            "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
        }[os.environ["CLUSTER_LAYER_KIND"]],
        "CONFIG": {"hosts": [{"address": os.environ["CLUSTER_LAYER"]}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["CLUSTER_CACHE"],
    }
}

MCP: dict[str, object] = {
    "EVENT_STORE_CACHE": "default",
    # Short, so that tests need not wait for long.
    "RECHECK_SECONDS": 2.0,
    "KEEP_ALIVE_SECONDS": 1.0,
    "AWAY_SECONDS": 1.0,
    **json.loads(os.environ.get("CLUSTER_MCP", "{}")),
}
