"""Settings of the fixture site with tokens, and with what an operator may switch on.

An optional environment variable, BENCHMARK_SIGHT, names some of "audit", "rates" and
"signals"; all of them if left out.
"""

import os

from benchmarks.sites.with_tokens import *  # noqa: F403 - settings are made to be taken over

_SIGHT = os.environ.get("BENCHMARK_SIGHT", "audit signals rates")
if "audit" in _SIGHT:
    INSTALLED_APPS = [*INSTALLED_APPS, "mcp_django.audit"]  # noqa: F405 - one of the settings taken over
if "signals" in _SIGHT:
    INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.sites.listening"]
if "rates" in _SIGHT:
    # No load that one process answers comes near to it.
    MCP = {**MCP, "MAX_RATE": 1_000_000.0}  # noqa: F405 - one of the settings taken over
