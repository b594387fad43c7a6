"""`manage.py mcp_prune_clients`: forget programs that no user lets act for them."""

from __future__ import annotations

import datetime
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from mcp_django.terminal import track

_DAYS = 30
_MAX_DAYS = 36_500


class Command(BaseCommand):
    """Forget programs that came by themselves and were never used."""

    help = (
        "Forget programs that became clients by themselves and that no user has let "
        "in, and documents of clients that are out of date and have no live token."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the age."""
        parser.add_argument(
            "--days",
            type=_days,
            default=_DAYS,
            help=f"how long a client may wait for its first user; default {_DAYS}",
        )

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        """Forget them.

        Raises:
            CommandError: There is no authorization server.
        """
        if not apps.is_installed("oauth2_provider"):
            raise CommandError(
                "'oauth2_provider' is not in INSTALLED_APPS, so there are no clients"
            )
        from mcp_django.oauth.authorization_server.clients import forget, unused

        latest = timezone.now() - datetime.timedelta(days=days)
        count = forget(unused().filter(created__lt=latest), self._track)
        self.stdout.write(f"Forgot {count} client(s) without a user")
        call_command("clearcimdapplications", stdout=self.stdout)

    def _track(self, starts: Sequence[int]) -> Iterable[int]:
        message = "batches of clients"
        return track(starts, self.stderr, total=len(starts), message=message)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_DAYS:
        raise ArgumentTypeError(f"{text!r} is not a number of days up to {_MAX_DAYS}")
    return int(text)
