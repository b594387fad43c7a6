"""`manage.py mcp_prune_audit`: delete old entries of the audit trail."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.audit.models import prune_in_lots
from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.conf import mcp_settings
from mcp_django.terminal import track

_MAX_DAYS = 36_500


class Command(BaseCommand):
    """Delete entries of the audit trail that are older than some days."""

    help = "Delete entries of the audit trail that are older than some days."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--days",
            type=_days,
            metavar="DAYS",
            help="what is older is deleted; MCP['AUDIT_DAYS'] if left out",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how many there were.

        Raises:
            CommandError: Neither the option nor the setting says how old.
        """
        days = options["days"]
        if days is None:
            days = mcp_settings.AUDIT_DAYS
        if days is None:
            raise CommandError(
                "MCP['AUDIT_DAYS'] is None, which keeps entries for ever; pass --days "
                "to delete older ones"
            )
        with needing_database():
            lots = prune_in_lots(days)
            count = sum(track(lots, self.stderr, message="thousand entries deleted"))
        self.stdout.write(f"{count} entries deleted that are older than {days:g} days")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days <= _MAX_DAYS:
        raise ArgumentTypeError(
            f"{text!r} is no number of days from 0 to {_MAX_DAYS}, such as 90"
        )
    return days
