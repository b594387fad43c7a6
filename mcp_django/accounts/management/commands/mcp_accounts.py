"""`manage.py mcp_accounts`: look after what is stored of accounts at other servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_django.accounts import encryption
from mcp_django.accounts.encryption import Undecryptable
from mcp_django.accounts.models import Account
from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.terminal import track

_AT_ONCE: Final = 500
"""Rows that are in memory at a time."""


class Command(BaseCommand):
    """List accounts at other servers, and encrypt them anew after a change of keys."""

    help = "List accounts at other servers, and encrypt them anew after a key change."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("list", help="count accounts by server, and by key")
        anew = commands.add_parser(
            "reencrypt",
            help="encrypt with SECRET_KEY what was encrypted with one of "
            "SECRET_KEY_FALLBACKS, so that those can go",
        )
        anew.add_argument(
            "--delete-unreadable",
            action="store_true",
            help="delete accounts that no key can read, so that their users connect "
            "them again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one subcommand.

        Raises:
            CommandError: It cannot be done, or some accounts cannot be read.
        """
        with needing_database():
            if options["command"] == "list":
                self.list()
            else:
                self.reencrypt(delete_unreadable=options["delete_unreadable"])

    def list(self) -> None:
        """Count the accounts at each server, by how they can be read."""
        counts: Counter[tuple[str, str]] = Counter()
        for account in _accounts():
            counts[account.server_url, _state_of(account)] += 1
        for (url, state), count in sorted(counts.items()):
            self.stdout.write(f"{count:6}  {state:12}  {url}")
        if not counts:
            self.stderr.write("There are no accounts.", style_func=str)

    def reencrypt(self, *, delete_unreadable: bool) -> None:
        """Encrypt anew what is not encrypted with the key of today.

        May run while the site does, and several times: what changes meanwhile is left
        as it is.

        Raises:
            CommandError: Some cannot be read, and are not to be deleted.
        """
        counts: Counter[str] = Counter()
        total = Account.objects.count()
        for account in track(_accounts(), self.stderr, total=total, message="accounts"):
            counts[self._reencrypt(account, delete_unreadable)] += 1
        self.stdout.write(
            f"Encrypted {counts['anew']} anew; {counts['current']} were so already."
        )
        if counts["deleted"]:
            self.stdout.write(f"Deleted {counts['deleted']} that no key can read.")
        if counts["unreadable"]:
            raise CommandError(
                f"{counts['unreadable']} cannot be read with SECRET_KEY or one of "
                "SECRET_KEY_FALLBACKS; add the key that is missing there and run this "
                "again, or pass --delete-unreadable, and their users connect again"
            )

    def _reencrypt(self, account: Account, delete_unreadable: bool) -> str:
        """Look after one row, and say what came of it."""
        # Only as it was read: a worker may renew tokens at this moment.
        as_read = Account.objects.filter(pk=account.pk, sealed=account.sealed)
        try:
            record = account.unseal()
        except Undecryptable:
            if not delete_unreadable:
                return "unreadable"
            as_read.delete()
            return "deleted"
        if encryption.is_current(account.sealed):
            return "current"
        as_read.update(sealed=Account.seal(record, account.user_id, account.server_url))
        return "anew"


def _accounts() -> Iterable[Account]:
    return Account.objects.order_by("pk").iterator(chunk_size=_AT_ONCE)


def _state_of(account: Account) -> str:
    if not account.is_readable:
        return "unreadable"
    return "current key" if encryption.is_current(account.sealed) else "fallback key"
