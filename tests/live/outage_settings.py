"""Settings of the fixture site with a channel layer on Redis, and nothing else there.

OUTAGE_LAYER: address of Redis.
OUTAGE_LAYER_KIND: "core" or "pubsub".
OUTAGE_CACHE: folder of the cache.
"""

import os

from tests.conformance.settings import *  # noqa: F403  # Django's own way

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": {
            "core": "channels_redis.core.RedisChannelLayer",
            "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
        }[os.environ["OUTAGE_LAYER_KIND"]],
        "CONFIG": {"hosts": [{"address": os.environ["OUTAGE_LAYER"]}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["OUTAGE_CACHE"],
    }
}
