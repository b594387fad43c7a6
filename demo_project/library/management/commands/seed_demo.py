"""`manage.py seed_demo`: make the demo worth looking at."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from demo_project.library.seed import add_catalog, add_users
from demo_project.library.seed_audit import MADE_UP, add_audit_entries
from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.terminal import track


class Command(BaseCommand):
    """Add the demo's users, books and past where they are missing."""

    help = (
        "Adds the users admin and reader, the catalog if the library is empty, and "
        "some weeks of made-up entries to the audit trail. Running it again on the "
        "same day changes nothing; later it adds entries of the days since then."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and say so if there was something to do."""
        if not settings.DEBUG:
            raise CommandError(
                "the demo's passwords are public: seed it with DEMO_DEBUG=1 only"
            )
        steps: tuple[Callable[[], bool | int | None], ...] = (
            add_users,
            add_catalog,
            partial(add_audit_entries, timezone.now()),
        )
        shown = track(steps, self.stderr, total=len(steps), message="steps")
        with needing_database():
            _, is_new, count = [step() for step in shown]
        if is_new:
            self.stdout.write("Filled the library.")
        if count:
            self.stdout.write(
                f"Added {count} entries to the audit trail; their credential is "
                f"“{MADE_UP}”."
            )
