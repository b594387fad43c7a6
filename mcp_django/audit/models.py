"""What is kept of requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_PRUNED_AT_ONCE: Final = 1000


class Entry(models.Model):
    """One request of a client, as it ended.

    Nothing in it refers to other tables: it outlives the user, the token and the
    feature that it names.
    """

    time = models.DateTimeField(_("time"), help_text=_("When the request began."))
    server = models.CharField(_("server"), max_length=200)
    method = models.CharField(_("method"), max_length=100)
    feature_kind = models.CharField(_("kind"), max_length=20, blank=True)
    feature = models.CharField(
        _("feature"), max_length=200, blank=True, help_text=_("Its name or URI.")
    )
    user_pk = models.CharField(_("user's primary key"), max_length=64, blank=True)
    username = models.CharField(_("user"), max_length=200, blank=True)
    credential = models.CharField(_("credential"), max_length=200, blank=True)
    client_name = models.CharField(
        _("program"), max_length=200, blank=True, help_text=_("What it calls itself.")
    )
    client_version = models.CharField(
        _("version of the program"), max_length=100, blank=True
    )
    protocol_version = models.CharField(_("protocol"), max_length=20)
    address = models.CharField(_("address"), max_length=64, blank=True)
    outcome = models.CharField(_("outcome"), max_length=20)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)
    seconds = models.FloatField(_("seconds"))
    details = models.JSONField(
        _("details"), null=True, blank=True, encoder=DjangoJSONEncoder
    )

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ("-time", "-pk")
        indexes = (
            models.Index(fields=("time",), name="mcp_audit_time"),
            models.Index(fields=("user_pk", "time"), name="mcp_audit_user_time"),
            models.Index(fields=("feature", "time"), name="mcp_audit_feature_time"),
        )

    def __str__(self) -> str:
        return f"{self.method} {self.feature}".strip() + f": {self.outcome}"


def prune(days: float) -> int:
    """Delete entries that are older; give how many they were."""
    return sum(prune_in_lots(days))


def prune_in_lots(days: float) -> Iterator[int]:
    """Delete entries that are older; give how many they were, lot by lot.

    A thousand at a time, so that nothing is locked for long.
    """
    entries = Entry.objects.using(router.db_for_write(Entry)).order_by()
    old = entries.filter(time__lt=timezone.now() - timedelta(days=days))
    while found := list(old.values_list("pk", flat=True)[:_PRUNED_AT_ONCE]):
        yield entries.filter(pk__in=found).delete()[0]
