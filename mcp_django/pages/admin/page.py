"""A page in the admin that is no list of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.text import capfirst

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin

STYLES: Final = "mcp_django/admin-pages.css"


class PageAdmin(ModelAdmin):
    """Shows a page of its own where the admin would list the rows of a model.

    Its model has no table, and is there for the name of the page and for permissions:
    users with `view_...` of it see the page, and find it in the admin's index. Nothing
    is added, changed or deleted.

    Subclasses have `show`, and further pages in `more_urls`.
    """

    class Media:
        css = {"all": (STYLES,)}  # noqa: RUF012  # as Django wants it

    def show(self, request: HttpRequest) -> HttpResponse:
        """Answer a request for the page, whose user may view it."""
        raise NotImplementedError

    def more_urls(self) -> list[URLPattern]:
        """Give the patterns of further pages; their views have to ask who may."""
        return []

    def get_urls(self) -> list[URLPattern]:
        """Give the page the name that the admin's index links to."""
        view = self.admin_site.admin_view(self.changelist_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", view, name=name), *self.more_urls()]

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.url_of_list(f"{self.opts.app_label}_{self.opts.model_name}")

    def url_of_list(self, model: str) -> str:
        """Say where the rows of a model are listed; "" in an admin site without it.

        Args:
            model: Such as "mcp_audit_entry".
        """
        try:
            view = f"admin:{model}_changelist"
            return reverse(view, current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page to users who may view it.

        Raises:
            PermissionDenied: This one may not.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.show(request)

    def render(
        self, request: HttpRequest, template: str, context: Mapping[str, Any]
    ) -> TemplateResponse:
        """Show a template that extends `admin/base_site.html`.

        Args:
            request: What the page answers.
            template: Name of the template.
            context: For it; `title` if it is another than that of the model. `opts`,
                `media` and what all pages of the admin have are added.
        """
        request.current_app = self.admin_site.name
        known = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": capfirst(self.opts.verbose_name_plural),
            **context,
        }
        return TemplateResponse(request, template, known)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Add nothing."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """Change nothing."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """Delete nothing."""
        return False
