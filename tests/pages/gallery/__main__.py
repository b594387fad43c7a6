"""Serve the gallery of forms and results, to be looked at in a browser."""

from __future__ import annotations

import os
import sys
from threading import Event

import django

from tests.pages.gallery import serving

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()
with serving() as url:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    try:
        Event().wait()
    except KeyboardInterrupt:
        sys.exit(0)
