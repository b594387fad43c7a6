"""The admin page of switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from mcp_django.bulkheads.admin_views import tells_of_lacking_tables
from mcp_django.server.discovery import servers
from mcp_django.switches.models import Kind, Switch
from mcp_django.switches.named import find_unknown, names_of

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Switch]
    SwitchModelForm = forms.ModelForm[Switch]
else:
    # Generic in the stubs only.
    ModelAdmin, SwitchModelForm = admin.ModelAdmin, forms.ModelForm


class SuggestingInput(forms.TextInput):
    """A line of text for which the browser offers what there is."""

    template_name = "mcp_switches/suggesting_input.html"

    def __init__(self, suggest: Any) -> None:
        super().__init__(attrs={"class": "vTextField"})
        self._suggest = suggest

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Add what is offered."""
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{name}-offered"
        return {**context, "offered": self._suggest()}


def _all_names() -> list[str]:
    found = (name for kind in Kind.values for name in names_of(kind))
    return list(dict.fromkeys(found))


class SwitchForm(SwitchModelForm):
    """Asks which feature to switch off."""

    class Meta:
        model = Switch
        fields = ("kind", "name", "server", "why")
        widgets = {  # noqa: RUF012  # as Django wants it
            "name": SuggestingInput(_all_names),
            "server": SuggestingInput(lambda: list(servers())),
            "why": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        }


@admin.register(Switch)
@tells_of_lacking_tables
class SwitchAdmin(ModelAdmin):
    """Adding a row switches a feature off, deleting it on again.

    The ordinary permissions apply: `mcp_switches.add_switch` lets a user switch off,
    `mcp_switches.delete_switch` switch on.
    """

    form = SwitchForm
    list_display = ("name", "kind", "of", "why", "by", "at")
    list_filter = ("kind", "server")
    search_fields = ("name", "server", "why", "by")

    @admin.display(description=_("server"), ordering="server")
    def of(self, switch: Switch) -> str:
        """Name the server, or all."""
        return switch.server or pgettext("servers", "all")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Switch | None = None
    ) -> tuple[str, ...]:
        """Let only the reason be changed once a feature is off."""
        return () if obj is None else ("kind", "name", "server", "by", "at")

    def get_fields(
        self, request: HttpRequest, obj: Switch | None = None
    ) -> tuple[str, ...]:
        """Ask for what a switch needs; show all of one."""
        fields = ("kind", "name", "server", "why")
        return fields if obj is None else (*fields, "by", "at")

    def save_model(
        self, request: HttpRequest, obj: Switch, form: Any, change: bool
    ) -> None:
        """Switch a feature off, and say if it may be misspelled."""
        if not change:
            obj.by = request.user.get_username()[:200]
        super().save_model(request, obj, form, change)
        if change or (unknown := find_unknown(obj.kind, obj.name, obj.server)) is None:
            return
        known = ", ".join(unknown.alike)
        if known:
            text = _(
                "“%(name)s” is not in this process. Others may have it, but look at "
                "the spelling; there is: %(known)s."
            )
        else:
            text = _("“%(name)s” is not in this process. Others may have it.")
        values = {"name": unknown.name, "known": known}
        self.message_user(request, text % values, messages.WARNING)
