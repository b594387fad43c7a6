"""What users have allowed programs."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Consent(models.Model):
    """What a user allowed one program to do with one endpoint.

    It is remembered until the user withdraws it. Tokens are not in it: a program whose
    tokens have all ended is still allowed to ask for new ones.

    There is no foreign key to the program: it may be registered at another
    authorization server, and is forgotten there when it was not used for long.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="mcp_consents",
        verbose_name=_("user"),
    )
    # Together short enough for an index of MySQL.
    client_id = models.CharField(_("client id"), max_length=255)
    resource = models.CharField(
        _("resource"), max_length=500, help_text=_("The URL of the MCP endpoint.")
    )
    client_name = models.CharField(
        _("program"), max_length=255, blank=True, help_text=_("What it calls itself.")
    )
    redirect_host = models.CharField(
        _("sent to"),
        max_length=255,
        help_text=_("Where the user was sent with the answer."),
    )
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("allowed"), default=timezone.now)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("allowed program")
        verbose_name_plural = _("allowed programs")
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "client_id", "resource"), name="mcp_oauth_one_consent"
            ),
        )

    def __str__(self) -> str:
        return f"{self.client_name or self.client_id}: {self.resource}"

    def covers(self, scopes: Iterable[str]) -> bool:
        """Say whether all of these scopes were allowed."""
        return set(scopes) <= set(self.scopes)

    def change(self, *, ticked: Iterable[str], unticked: Iterable[str]) -> None:
        """Add what the user allowed now, and take away what they did not.

        What was allowed before and was not asked for stays. Nothing is saved.
        """
        kept = set(self.scopes) - set(unticked)
        self.scopes = sorted(kept | set(ticked))
