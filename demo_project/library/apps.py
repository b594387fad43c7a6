"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LibraryConfig(AppConfig):
    """`demo_project.library` among the installed apps."""

    name = "demo_project.library"
    verbose_name = _("Library")
