"""The admin page of bearer tokens."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Q, QuerySet
from django.forms import CheckboxSelectMultiple, ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from mcp_django.bulkheads.admin_views import tells_of_lacking_tables
from mcp_django.tokens.choosing import EVERYTHING, ScopesField
from mcp_django.tokens.models import Token, TokenQuerySet, TokenState
from mcp_django.tokens.scopes import known_scopes

_USERS_ON_PAGE: Final = 20
_CONFIRMED: Final = "_revoke_confirmed"
_REVOKES: Final = frozenset({"_revoke", _CONFIRMED})
_NAMES: Final = ("email", "first_name", "last_name")

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Token]
    TokenModelForm = ModelForm[Token]
else:
    # Generic in the stubs only.
    ModelAdmin, TokenModelForm = admin.ModelAdmin, ModelForm


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


class UserSelect(AutocompleteSelect):
    """A select box that asks `TokenAdmin.users_view` for what fits."""

    url_name = "%s:mcp_tokens_token_users"


class AddTokenForm(TokenModelForm):
    """Asks what a new token shall allow."""

    scopes = ScopesField(
        _("Everything that the user may do"),
        initial=[EVERYTHING],
        # The admin's own class, without which the labels are as narrow as others.
        widget=CheckboxSelectMultiple(attrs={"class": "radiolist"}),
        help_text=_("Never more than what the user may do."),
    )


def find_users(term: str) -> QuerySet[AbstractBaseUser]:
    """Find the users that can have tokens, by the name they log in with, and others.

    Args:
        term: Words, each of which has to be in one of the fields.
    """
    model = get_user_model()
    known = {field.name for field in model._meta.get_fields()}
    fields = [model.USERNAME_FIELD, *(name for name in _NAMES if name in known)]
    users = model._default_manager.order_by(model.USERNAME_FIELD)
    if "\0" in term:  # which PostgreSQL takes for a mistake
        return users.none()
    if "is_active" in known:
        users = users.filter(is_active=True)
    for word in term.split():
        users = users.filter(
            reduce(or_, (Q(**{f"{name}__icontains": word}) for name in fields))
        )
    return users


@admin.register(Token)
@tells_of_lacking_tables
class TokenAdmin(ModelAdmin):
    """Issues, lists and revokes tokens; a token's text is shown once, after adding.

    The ordinary permissions apply. A user who may add tokens may act over MCP as any
    other, so give `mcp_tokens.add_token` only to users who may do everything anyway.
    """

    # What matters most is on the left: beside the filters there is little room.
    list_display = (
        "name",
        "state",
        "user",
        "hint",
        "allows",
        "last_used_at",
        "expires_at",
        "created_at",
    )
    list_filter = (StateFilter, "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "hint", f"user__{get_user_model().USERNAME_FIELD}")
    actions = ("revoke",)

    class Media:
        css: ClassVar = {"all": ("mcp_django/admin-lists.css",)}

    # Pages ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add where users are looked up."""
        users = path(
            "users/",
            self.admin_site.admin_view(self.users_view),
            name="mcp_tokens_token_users",
        )
        return [users, *super().get_urls()]

    def users_view(self, request: HttpRequest) -> JsonResponse:
        """Give the users that a new token may be for, to a select box that asks.

        The admin's own view for that knows only models that are in the admin.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        found = find_users(request.GET.get("term", ""))
        page = Paginator(found, _USERS_ON_PAGE).get_page(request.GET.get("page"))
        results = [{"id": str(user.pk), "text": str(user)} for user in page]
        return JsonResponse(
            {"results": results, "pagination": {"more": page.has_next()}}
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form, or revoke."""
        wants_revocation = not _REVOKES.isdisjoint(request.POST)
        if object_id and request.method == "POST" and wants_revocation:
            return self._revoke_one(request, object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _revoke_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether to revoke the token of a page, or do it and show it again."""
        token = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, token):
            raise PermissionDenied
        if token is not None and _CONFIRMED not in request.POST:
            return self._ask_whether_to_revoke(request, token)
        if token is not None:
            self.revoke(request, self.get_queryset(request).filter(pk=token.pk))
        # If it is gone, that page says so.
        return HttpResponseRedirect(request.get_full_path())

    def _ask_whether_to_revoke(
        self, request: HttpRequest, token: Token
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("Revoke a token"),
            "token": token,
        }
        return TemplateResponse(request, "admin/mcp_tokens/token/revoke.html", context)

    # Parts of pages ---------------------------------------------------------------

    @admin.display(description=_("state"))
    def state(self, token: Token) -> str:
        """Say what a token's state is at this moment."""
        return str(token.state_at(timezone.now()).label)

    @admin.display(description=_("allows"), ordering="scope")
    def allows(self, token: Token) -> str:
        """Name the scopes of a token."""
        if token.scope is None:
            return gettext("everything")
        return token.scope or gettext("nothing")

    @admin.display(description=_("It allows"))
    def allows_in_words(self, token: Token) -> str:
        """Say what a token allows, a line for each scope."""
        if not token.scopes:
            return self.allows(token)
        known = known_scopes()
        return format_html_join(
            mark_safe("<br>"),
            "{} <code>{}</code>",
            ((known.get(name, ""), name) for name in sorted(token.scopes)),
        )

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

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Let users be looked up: a list of all fits into no select box.

        It is our own look-up, because the user model need not be in the admin.
        """
        if db_field.name == "user":
            kwargs["widget"] = UserSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(
        self,
        request: HttpRequest,
        obj: Token | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[Token]]:
        """Ask for scopes where a token is added."""
        if obj is None:
            kwargs["form"] = AddTokenForm
        return super().get_form(request, obj, change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Take from the address whose the token is to be, if that is any user."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        users = get_user_model()._default_manager
        try:
            is_user = users.filter(pk=given.get("user", "")).exists()
        except (OverflowError, ValueError, ValidationError):
            is_user = False
        if not is_user:
            given.pop("user", None)
        return given

    def get_fields(
        self, request: HttpRequest, obj: Token | None = None
    ) -> tuple[str, ...]:
        """Ask for what a new token needs; show all but the digest of others."""
        if obj is None:
            return ("user", "name", "expires_at", "scopes")
        return ("name", *self.get_readonly_fields(request, obj))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Token | None = None
    ) -> tuple[str, ...]:
        """Let only the name be changed once a token is issued."""
        if obj is None:
            return ()
        return (
            "user",
            "state",
            "hint",
            "allows_in_words",
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
        obj.set_scopes(form.cleaned_data["scopes"])
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
