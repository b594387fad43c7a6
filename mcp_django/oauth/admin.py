"""The admin page of what users allowed programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest

from mcp_django.oauth.models import Consent

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Consent]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin


@admin.register(Consent)
class ConsentAdmin(ModelAdmin):
    """Lists what users allowed programs; to delete it revokes the program.

    To allow something in the place of a user is not possible here.
    """

    list_display = (
        "program",
        "user",
        "resource",
        "redirect_host",
        "last_used_at",
        "created_at",
    )
    list_filter = ("created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = (
        "client_name",
        "client_id",
        "redirect_host",
        f"user__{get_user_model().USERNAME_FIELD}",
    )

    @admin.display(description=Consent._meta.get_field("client_name").verbose_name)
    def program(self, consent: Consent) -> str:
        """Name the program, as it does itself."""
        return consent.client_name or consent.client_id

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let users allow programs themselves."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Consent | None = None
    ) -> bool:
        """Leave what a user allowed as it is."""
        return False

    def delete_model(self, request: HttpRequest, obj: Consent) -> None:
        """Revoke the program, and all of its tokens."""
        _revoke(obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[Consent]
    ) -> None:
        """Revoke the programs, and all of their tokens."""
        for consent in queryset.select_related("user"):
            _revoke(consent)


def _revoke(consent: Consent) -> None:
    if not apps.is_installed("oauth2_provider"):
        consent.delete()
        return
    from mcp_django.oauth.authorization_server import programs

    programs.revoke(consent.user, consent.client_id, consent.resource)
