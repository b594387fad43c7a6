"""Settings of the fixture site with a channel layer on Redis, and nothing else there.

REDIS_URL, REDIS_LAYER: as for the fixture site.
OUTAGE_CACHE: folder of the cache.
"""

import os

from tests.conformance.settings import *  # noqa: F403  # Django's own way

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["OUTAGE_CACHE"],
    }
}
