"""A site whose answers are as large as is asked for, for whoever names themselves.

An optional environment variable, MCP, holds more keys of that setting, as JSON.
"""

import json
import os

from tests.conformance.settings import *  # noqa: F403 - settings are made to be taken over

ROOT_URLCONF = "tests.live.large_site"
MCP = {
    "AUTHENTICATION": ["tests.live.large_site.Named"],
    **json.loads(os.environ.get("MCP", "{}")),
}
