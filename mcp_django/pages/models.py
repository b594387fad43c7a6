"""What the pages add to Django's permissions; they keep nothing themselves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Console(models.Model):
    """The console, which has no table: it is here for its permission."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (("use_console", _("Can use the console")),)
        verbose_name = _("console")
        verbose_name_plural = _("consoles")

    def __str__(self) -> str:
        return "console"


class Live(models.Model):
    """What is open in all workers; it has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("view_live", _("Can see what is open in all workers")),
            ("end_live", _("Can end what is open in all workers")),
        )
        verbose_name = _("live")
        verbose_name_plural = _("live")

    def __str__(self) -> str:
        return "live"


class Feature(models.Model):
    """The features of all servers; it has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (("view_feature", _("Can see the features of all servers")),)
        verbose_name = _("feature")
        verbose_name_plural = _("features")

    def __str__(self) -> str:
        return "feature"
