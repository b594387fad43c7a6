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
