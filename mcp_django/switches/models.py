"""What is kept of features that are switched off."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_django.server.switched_off import SwitchedFeature

MAX_NAME: Final = 500
MAX_WHY: Final = 1000


class Kind(models.TextChoices):
    """What can be switched off."""

    TOOL = "tool", _("tool")
    RESOURCE = "resource", _("resource or template")
    PROMPT = "prompt", _("prompt")


class Switch(models.Model):
    """One feature that is switched off, as long as the row is there."""

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(
        _("name"),
        max_length=MAX_NAME,
        help_text=_(
            "Of a resource its URI, of a template the template, as it was registered."
        ),
    )
    server = models.CharField(
        _("server"),
        max_length=128,
        blank=True,
        help_text=_("Empty for all servers that have such a feature."),
    )
    why = models.CharField(
        _("why"),
        max_length=MAX_WHY,
        blank=True,
        help_text=_("For your colleagues; clients do not see it."),
    )
    by = models.CharField(
        _("switched off by"), max_length=200, blank=True, editable=False
    )
    at = models.DateTimeField(
        _("switched off at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("feature switched off")
        verbose_name_plural = _("features switched off")
        ordering = ("kind", "name", "server")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "name", "server"),
                name="mcp_switches_once",
                violation_error_message=_("It is switched off already."),
            ),
        )

    def __str__(self) -> str:
        return in_words(self.kind, self.name, self.server)

    @property
    def feature(self) -> SwitchedFeature:
        """What requests are compared with."""
        return SwitchedFeature(self.kind, self.name, self.server)  # type: ignore[arg-type]  # one of its choices


def in_words(kind: str, name: str, server: str) -> str:
    """Name a feature of one server, or of all."""
    return f"{kind} {name!r} of " + (f"server {server!r}" if server else "all servers")
