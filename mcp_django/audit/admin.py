"""The admin page of the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from mcp_django.amounts import duration_text
from mcp_django.audit.bins import MAX_COUNTED
from mcp_django.audit.figures import OUTCOMES
from mcp_django.audit.filters import OutcomeFilter, PeriodFilter, ValueFilter
from mcp_django.audit.models import Entry
from mcp_django.audit.overview import Overview
from mcp_django.bulkheads.admin_views import tells_of_lacking_tables

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Entry]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin

_MAX_REASON = 80


@admin.register(Entry)
@tells_of_lacking_tables
class EntryAdmin(ModelAdmin):
    """Shows what was asked; nothing can be changed or deleted here.

    Attributes:
        max_counted: How many entries the numbers above the list are of at most.
    """

    max_counted = MAX_COUNTED

    change_list_template = "admin/mcp_audit/entry/change_list.html"
    # What matters most is on the left: beside the filters there is little room.
    list_display = (
        "time",
        "username",
        "feature",
        "ended",
        "took",
        "client_name",
        "credential",
        "method",
    )
    list_filter = (
        PeriodFilter,
        ("outcome", OutcomeFilter),
        ("reason", ValueFilter),
        ("error", ValueFilter),
        ("server", ValueFilter),
        ("feature_kind", ValueFilter),
        ("feature", ValueFilter),
        ("username", ValueFilter),
        ("client_name", ValueFilter),
        ("method", ValueFilter),
        ("protocol_version", ValueFilter),
    )
    search_fields = (
        "username",
        "feature",
        "client_name",
        "credential",
        "address",
        "reason",
    )
    # Counting a large table takes longer than showing a page of it.
    show_full_result_count = False
    # It would count each of the values that are offered.
    show_facets = admin.ShowFacets.NEVER

    fieldsets = (
        (None, {"fields": ("time", "outcome", "reason", "error", "seconds")}),
        (
            _("What was asked"),
            {"fields": ("server", "method", "feature_kind", "feature", "details")},
        ),
        (
            _("Who asked"),
            {
                "fields": (
                    "username",
                    "user_pk",
                    "credential",
                    "client_name",
                    "client_version",
                    "protocol_version",
                    "address",
                )
            },
        ),
    )

    class Media:
        css: ClassVar = {"all": ("mcp_django/audit.css",)}

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

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below its overview."""
        response = super().changelist_view(
            request, {"title": _("Audit trail")} | (extra_context or {})
        )
        if isinstance(response, TemplateResponse) and response.context_data:
            changelist = response.context_data.get("cl")
            if isinstance(changelist, ChangeList):
                response.context_data["overview"] = Overview.of(
                    changelist, self.max_counted
                )
        return response

    @admin.display(description=_("outcome"), ordering="outcome")
    def ended(self, entry: Entry) -> str:
        """Say how a request ended, and why."""
        outcome = str(OUTCOMES.get(entry.outcome, entry.outcome))
        why = Truncator(entry.reason or entry.error).chars(_MAX_REASON)
        return f"{outcome}: {why}" if why else outcome

    @admin.display(description=_("took"), ordering="seconds")
    def took(self, entry: Entry) -> str:
        """Say how long a request took."""
        return duration_text(entry.seconds)
