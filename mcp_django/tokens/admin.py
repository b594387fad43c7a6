"""The admin page of bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from mcp_django.tokens.models import Token, TokenQuerySet, TokenState

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Token]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin


class StateFilter(admin.SimpleListFilter):
    """Narrows the list to the tokens in one state."""

    title = _("state")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Token]
    ) -> list[tuple[str, str]]:
        """Offer every state."""
        return [(state.value, str(state.label)) for state in TokenState]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Token]
    ) -> QuerySet[Token]:
        """Apply the state in the address, unless it is none of ours."""
        value = self.value()
        if value not in TokenState.values or not isinstance(queryset, TokenQuerySet):
            return queryset
        return queryset.in_state(TokenState(value), timezone.now())


@admin.register(Token)
class TokenAdmin(ModelAdmin):
    """Issues, lists and revokes tokens; a token's text is shown once, after adding.

    The ordinary permissions apply. Whoever may add tokens may act over MCP as any
    user, so give `mcp_tokens.add_token` only to people who may do everything anyway.
    """

    list_display = (
        "user",
        "name",
        "hint",
        "created_at",
        "expires_at",
        "last_used_at",
        "state",
    )
    list_display_links = ("name",)
    list_filter = (StateFilter, "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "hint", f"user__{get_user_model().USERNAME_FIELD}")
    # A list of all users does not fit into a select box on every site.
    raw_id_fields = ("user",)
    actions = ("revoke",)

    @admin.display(description=_("state"))
    def state(self, token: Token) -> str:
        """Say what a token's state is at this moment."""
        return str(token.state_at(timezone.now()).label)

    @admin.action(description=_("Revoke selected tokens"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        """Revoke tokens at once, and note it in the history of each."""
        tokens = list(queryset.filter(revoked_at=None))
        for token in tokens:
            token.revoke()
            self.log_change(request, token, gettext("Revoked."))
        count = len(tokens)
        self.message_user(
            request,
            ngettext("%d token was revoked.", "%d tokens were revoked.", count) % count,
            messages.SUCCESS,
        )

    def get_fields(
        self, request: HttpRequest, obj: Token | None = None
    ) -> tuple[str, ...]:
        """Ask for what a new token needs; show all but the digest of others."""
        if obj is None:
            return ("user", "name", "expires_at")
        return ("name", *self.get_readonly_fields(request, obj))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Token | None = None
    ) -> tuple[str, ...]:
        """Let only the name be changed once a token is issued."""
        if obj is None:
            return ()
        return (
            "user",
            "hint",
            "state",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: Token,
        form: ModelForm[Token],
        change: bool,
    ) -> None:
        """Save a token; a new one gets its text, which is shown this once."""
        if change:
            super().save_model(request, obj, form, change)
            return
        text = obj.set_new_text()
        super().save_model(request, obj, form, change)
        self.message_user(
            request,
            format_html(
                gettext("Copy the token now, it is shown this once: {}"),
                format_html("<code>{}</code>", text),
            ),
            messages.WARNING,
        )
