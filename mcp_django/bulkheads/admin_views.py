"""Admin pages of a database that lacks what they show."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from mcp_django.bulkheads.missing_migrations import commands_for

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

P = ParamSpec("P")
Admin = TypeVar("Admin", bound="ModelAdmin[Any]")
AdminClass = TypeVar("AdminClass", bound="type[ModelAdmin[Any]]")

_VIEWS: Final = ("changelist_view", "changeform_view", "delete_view", "history_view")


def unless_tables_lack(
    view: Callable[Concatenate[Admin, HttpRequest, P], Any],
) -> Callable[Concatenate[Admin, HttpRequest, P], Any]:
    """Have a view of a `ModelAdmin` lead to the index if migrations have to be run.

    There a message says which commands.
    """

    @wraps(view)
    def guarded(
        self: Admin, request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> Any:
        try:
            return view(self, request, *args, **kwargs)
        except DatabaseError as error:
            commands = commands_for(error)
            if commands is None:
                raise
        text = gettext("The database lacks migrations: run %(commands)s first.")
        self.message_user(request, text % {"commands": commands}, messages.ERROR)
        index = reverse("admin:index", current_app=self.admin_site.name)
        return HttpResponseRedirect(index)

    return guarded


def tells_of_lacking_tables(admin: AdminClass) -> AdminClass:
    """Have all pages of a `ModelAdmin` lead to the index if migrations have to be run.

    Beside `unless_tables_lack` for pages that Django's own admin does not have.
    """
    for name in _VIEWS:
        setattr(admin, name, unless_tables_lack(getattr(admin, name)))
    return admin
