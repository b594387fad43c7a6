"""The Django app."""

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """`demo_project.library` among the installed apps."""

    name = "demo_project.library"
