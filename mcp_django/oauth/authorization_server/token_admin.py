"""The admin pages of tokens: the toolkit's, where users who have tokens can be deleted.

The toolkit lets tokens be revoked there, and not be deleted, since their rows show when
one comes again. Django's admin takes that for a no to whatever they belong to.

Named as `ACCESS_TOKEN_ADMIN_CLASS` and `REFRESH_TOKEN_ADMIN_CLASS`; `oauth2_provider()`
does. The toolkit's own admin module, which has to be imported first, asks for them.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from oauth2_provider.admin import AccessTokenAdmin as ToolkitAccessTokenAdmin
from oauth2_provider.admin import RefreshTokenAdmin as ToolkitRefreshTokenAdmin


class AccessTokenAdmin(ToolkitAccessTokenAdmin):  # type: ignore[misc]  # no types there
    """Lists access tokens, which end with their user and their client."""

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Say whether they may be deleted: only with what they belong to."""
        usual = super(ToolkitAccessTokenAdmin, self).has_delete_permission
        return not _is_page_of(self, request) and bool(usual(request, obj))


class RefreshTokenAdmin(ToolkitRefreshTokenAdmin):  # type: ignore[misc]  # no types there
    """Lists refresh tokens, which end with their user and their client."""

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Say whether they may be deleted: only with what they belong to."""
        usual = super(ToolkitRefreshTokenAdmin, self).has_delete_permission
        return not _is_page_of(self, request) and bool(usual(request, obj))


def _is_page_of(model_admin: Any, request: HttpRequest) -> bool:
    """Say whether a request asks one of the pages of an admin of a model."""
    options, match = model_admin.opts, request.resolver_match
    own = f"{options.app_label}_{options.model_name}_"
    return match is not None and (match.url_name or "").startswith(own)
