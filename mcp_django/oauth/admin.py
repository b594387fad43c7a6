"""The admin page of what users allowed programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value, unquote
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mcp_django.bulkheads.admin_views import tells_of_lacking_tables
from mcp_django.oauth.models import Consent
from mcp_django.server.discovery import all_scopes

_LINE: Final = mark_safe("<br>")

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Consent]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin


@admin.register(Consent)
@tells_of_lacking_tables
class ConsentAdmin(ModelAdmin):
    """Lists what users allowed programs; to delete it revokes the program.

    To allow something in the place of a user is not possible here.
    """

    # What matters most is on the left: beside the filters there is little room.
    list_display = (
        "program",
        "user",
        "allows",
        "last_used_at",
        "created_at",
        "resource",
    )
    list_filter = ("created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = (
        "client_name",
        "client_id",
        "redirect_host",
        f"user__{get_user_model().USERNAME_FIELD}",
    )
    fields = (
        "program",
        "user",
        "resource",
        "allows_in_words",
        "tokens",
        "created_at",
        "last_used_at",
        "redirect_host",
        "client_id",
    )

    class Media:
        css: ClassVar = {"all": ("mcp_django/admin-lists.css",)}

    # Parts of pages ---------------------------------------------------------------

    @admin.display(
        description=Consent._meta.get_field("client_name").verbose_name,
        ordering="client_name",
    )
    def program(self, consent: Consent) -> str:
        """Name the program, as it does itself."""
        return consent.client_name or consent.client_id

    @admin.display(description=_("allows"))
    def allows(self, consent: Consent) -> str:
        """Name the scopes."""
        return " ".join(consent.scopes) or gettext("nothing")

    @admin.display(description=_("It allows"))
    def allows_in_words(self, consent: Consent) -> str:
        """Say what was allowed, a line for each scope."""
        known = all_scopes()
        lines = [(known.get(name, ""), name) for name in consent.scopes]
        words = format_html_join(_LINE, "{} <code>{}</code>", lines)
        return words or gettext("nothing")

    @admin.display(description=_("tokens that are good"))
    def tokens(self, consent: Consent) -> str:
        """Say by which tokens the program acts at this moment."""
        lines = [(self._token_line(token),) for token in _tokens_of(consent)]
        none = gettext("none: the program can ask for new ones")
        return format_html_join(_LINE, "{}", lines) or none

    def _token_line(self, token: Any) -> SafeString:
        options = token._meta
        ends = getattr(token, "expires", None)
        text = f"{capfirst(options.verbose_name)} {token.pk}"
        if ends is not None:
            time = display_for_value(ends, "")
            text = gettext("%(token)s, until %(time)s") % {"token": text, "time": time}
        if not self.admin_site.is_registered(type(token)):
            return escape(text)
        view = f"admin:{options.app_label}_{options.model_name}_change"
        url = reverse(view, args=[token.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, text)

    # What may be done -------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let users allow programs themselves."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Consent | None = None
    ) -> bool:
        """Leave what a user allowed as it is."""
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Say of what Django calls deleting that it revokes."""
        actions = super().get_actions(request)
        deleting = actions.get("delete_selected")
        if deleting is not None:
            description = gettext("Revoke selected programs")
            actions["delete_selected"] = (*deleting[:2], description)
        return actions

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Ask whether to revoke a program, and do it."""
        consent = self.get_object(request, unquote(object_id))
        context = {} if consent is None else _facts_of(consent)
        return super().delete_view(
            request, object_id, {**context, **(extra_context or {})}
        )

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponse:
        """Say that the program was revoked, and lead back to the list."""
        text = gettext("Revoked: %(program)s.") % {"program": obj_display}
        self.message_user(request, text, messages.SUCCESS)
        view = "admin:mcp_oauth_consent_changelist"
        if not self.has_view_permission(request):
            view = "admin:index"
        return HttpResponseRedirect(reverse(view, current_app=self.admin_site.name))

    def delete_model(self, request: HttpRequest, obj: Consent) -> None:
        """Revoke the program, and all of its tokens."""
        _revoke(obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[Consent]
    ) -> None:
        """Revoke the programs, and all of their tokens."""
        for consent in queryset.select_related("user"):
            _revoke(consent)


def _facts_of(consent: Consent) -> dict[str, Any]:
    """Give what is said where it is asked whether to revoke a program."""
    return {
        "title": gettext("Revoke a program"),
        "program": consent.client_name or consent.client_id,
        "token_count": len(_tokens_of(consent)),
    }


def _tokens_of(consent: Consent) -> Sequence[Any]:
    """Give the rows of tokens that are good; none where others keep them."""
    if not apps.is_installed("oauth2_provider"):
        return ()
    from mcp_django.oauth.authorization_server import programs

    return programs.live_tokens_of(consent)


def _revoke(consent: Consent) -> None:
    if not apps.is_installed("oauth2_provider"):
        consent.delete()
        return
    from mcp_django.oauth.authorization_server import programs

    programs.revoke(consent.user, consent.client_id, consent.resource)
