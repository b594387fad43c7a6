"""Settings of the fixture site with bearer tokens.

An optional environment variable, CREDENTIAL_CACHE_SECONDS, is the setting of that name.
"""

import os

from tests.live.settings import *  # noqa: F403 - settings are made to be taken over

if "CREDENTIAL_CACHE_SECONDS" in os.environ:
    MCP = {
        **MCP,  # noqa: F405 - one of the settings taken over
        "CREDENTIAL_CACHE_SECONDS": float(os.environ["CREDENTIAL_CACHE_SECONDS"]),
    }
