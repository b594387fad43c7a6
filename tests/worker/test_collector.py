"""What a process that serves takes out of the garbage collector's way."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys

from mcp_django.asgi import get_asgi_application
from mcp_django.worker.collector import spare_loaded_objects
from tests.consumers.connections import request

PROGRAM = """
import asyncio, gc, json
import django
from django.test import override_settings
from tests.conformance.asgi import application
from tests.consumers.connections import request
from mcp_django.worker.collector import spare_loaded_objects

at_start = gc.get_freeze_count()
frozen = []

def get(path):
    asyncio.run(request(application, "GET", path))
    frozen.append(gc.get_freeze_count())

def start_again():
    gc.unfreeze()
    spare_loaded_objects.cache_clear()

get("/elsewhere")
loaded = len(gc.get_objects())
get("/mcp")
left = len(gc.get_objects())
get("/mcp")
start_again()
with override_settings(MCP={"GC_FREEZE": False}):
    get("/mcp")
start_again()
gc.disable()
get("/mcp")
gc.enable()
start_again()
gc.freeze()
ours = gc.get_freeze_count()
kept = [[] for _ in range(1000)]
get("/mcp")
frozen[-1] -= ours
print(json.dumps([at_start, loaded, left, *frozen]))
"""


def test_what_is_loaded_is_left_out_at_the_first_mcp_request() -> None:
    """Chosen: once, and never where the project has a way of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.conformance.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    at_start, loaded, left, *counts = json.loads(done.stdout)
    elsewhere, first, second, switched_off, disabled, frozen_before = counts
    # Python 3.12 has some hundred of its own frozen, which are no project's ways.
    assert elsewhere == at_start < 1000
    assert left < loaded / 20
    assert first > loaded * 19 / 20
    # Frozen objects may be freed, as all others, when nothing refers to them.
    assert first - 1000 < second <= first
    assert switched_off == 0
    assert disabled == 0
    assert frozen_before <= 0


async def test_nothing_is_left_out_in_a_test() -> None:
    """Chosen: tests make and drop much in one process."""
    spare_loaded_objects.cache_clear()
    before = gc.get_freeze_count()

    await request(get_asgi_application(), "GET", "/mcp")

    # Frozen objects may be freed meanwhile.
    assert gc.get_freeze_count() <= before
