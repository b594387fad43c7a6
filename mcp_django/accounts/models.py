"""Accounts of the site's users at other servers."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_django.accounts import encryption
from mcp_django.accounts.encryption import Undecryptable
from mcp_django.protocol.jsonrpc import JSON

URL_LENGTH = 500


class AccountQuerySet(models.QuerySet["Account"]):
    """Accounts, asked for in this app's words."""

    def of(self, user_id: Any) -> Self:
        """Keep those of a user."""
        return self.filter(user_id=user_id)

    def at(self, user_id: Any, server_url: str) -> Self:
        """Keep the one account, if any, of a user at a server."""
        return self.of(user_id).filter(server_url=server_url)

    def unlocked(self) -> Self:
        """Keep those that nothing has locked at this moment, by the database's clock.

        It is the one that all workers share, on whatever computers they run.
        """
        return self.filter(Q(locked_until=None) | Q(locked_until__lte=Now()))


class Account(models.Model):
    """One user's account at one other server: what logs the site in there for them.

    The record, with registration, tokens and what the server says of itself, is
    encrypted, and bound to the user and the server: in another row it cannot be read.
    It goes when the user is deleted.

    A lock is a lease: who holds it alone may renew the tokens, until it lets go or the
    lease is over.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="mcp_accounts",
        verbose_name=_("user"),
    )
    server_url = models.CharField(_("server"), max_length=URL_LENGTH)
    sealed = models.TextField(_("encrypted record"), editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(
        _("changed"),
        default=timezone.now,
        help_text=_("When the tokens were renewed last."),
    )
    lock_holder = models.CharField(max_length=32, blank=True, editable=False)
    locked_until = models.DateTimeField(null=True, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ("user", "server_url")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "server_url"), name="mcp_accounts_one_per_server"
            ),
        )

    def __str__(self) -> str:
        return self.server_url

    @staticmethod
    def seal(record: JSON, user_id: Any, server_url: str) -> str:
        """Encrypt a record for the row of a user and a server."""
        return encryption.encrypt(record, "account", str(user_id), server_url)

    def unseal(self) -> JSON:
        """Give the record.

        Raises:
            Undecryptable: It cannot be read; the user has to connect again.
        """
        return encryption.decrypt(
            self.sealed, "account", str(self.user_id), self.server_url
        )

    @property
    def is_readable(self) -> bool:
        """Whether the record can be read with the keys of today."""
        try:
            self.unseal()
        except Undecryptable:
            return False
        return True
