"""`manage.py seed_demo`: make the demo worth looking at."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from demo_project.library.seed import add_catalog, add_users
from mcp_django.bulkheads.missing_migrations import needing_database


class Command(BaseCommand):
    """Add the demo's users and books where they are missing."""

    help = (
        "Adds the users admin and reader, and the catalog if the library is empty. "
        "Running it again changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and say so if there was something to do."""
        if not settings.DEBUG:
            raise CommandError(
                "the demo's passwords are public: seed it with DEMO_DEBUG=1 only"
            )
        with needing_database():
            add_users()
            is_new = add_catalog()
        if is_new:
            self.stdout.write("Filled the library.")
