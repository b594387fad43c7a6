"""`python -m tests.pages.browser.prepare`: the database and the static files."""

from __future__ import annotations

import os

import django
from django.core.management import call_command
from django.test import override_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.pages.browser.settings")

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    call_command("collectstatic", verbosity=0, interactive=False)
    # The demo's passwords are public: it is seeded under DEBUG only.
    with override_settings(DEBUG=True):
        call_command("seed_demo")
