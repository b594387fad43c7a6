"""The admin page of accounts: who has connected what, and no secret of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from mcp_django.accounts import encryption
from mcp_django.accounts.models import Account
from mcp_django.bulkheads.admin_views import tells_of_lacking_tables

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Account]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin


@admin.register(Account)
@tells_of_lacking_tables
class AccountAdmin(ModelAdmin):
    """Shows accounts; they are made and changed by their users alone.

    To delete one is to forget it. Its server is not told: users do that, on their page.
    """

    list_display = ("user", "server_url", "state", "created_at", "changed_at")
    list_filter = ("server_url",)
    list_select_related = ("user",)
    fields = ("user", "server_url", "state", "created_at", "changed_at")
    date_hierarchy = "created_at"

    @admin.display(description=_("state"))
    def state(self, account: Account) -> str:
        """Say whether what is stored can be read, and with which key."""
        if not account.is_readable:
            return str(_("cannot be read: its user has to connect again"))
        if encryption.is_current(account.sealed):
            return str(_("encrypted with SECRET_KEY"))
        return str(_("encrypted with one of SECRET_KEY_FALLBACKS"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let no account be added: it takes its user's consent elsewhere."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Account | None = None
    ) -> bool:
        """Let none be changed."""
        return False
