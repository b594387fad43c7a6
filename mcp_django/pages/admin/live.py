"""The admin page of what is open in all workers."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from mcp_django.operations import status
from mcp_django.pages.admin.page import PageAdmin
from mcp_django.pages.models import Live


@admin.register(Live)
class LiveAdmin(PageAdmin):
    """Shows workers, and what is open there."""

    def show(self, request: HttpRequest) -> HttpResponse:
        """Ask all workers, and show what they say."""
        answers = status()
        return self.render(request, "admin/mcp_pages/live.html", {"answers": answers})
