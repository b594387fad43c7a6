"""The admin page of the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from mcp_django.audit.models import Entry

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Entry]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin


@admin.register(Entry)
class EntryAdmin(ModelAdmin):
    """Shows what was asked; nothing can be changed or deleted here."""

    list_display = (
        "time",
        "username",
        "method",
        "feature",
        "outcome",
        "seconds",
        "client_name",
        "credential",
    )
    list_filter = ("time", "outcome", "method", "feature_kind", "server")
    search_fields = ("username", "feature", "client_name", "credential", "address")
    # Counting a large table takes longer than showing a page of it.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nothing be added by hand."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Entry | None = None
    ) -> bool:
        """Let nothing be changed."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Entry | None = None
    ) -> bool:
        """Let nothing be deleted but by age."""
        return False
