"""What the views have in common that ask oauthlib."""

from __future__ import annotations

from typing import Any

from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views.mixins import OAuthLibMixin

from mcp_django.oauth.authorization_server.core import Core
from mcp_django.oauth.authorization_server.grants import Server
from mcp_django.oauth.authorization_server.validator import Validator


class OAuthlibView(OAuthLibMixin):  # type: ignore[misc]  # the toolkit has no types
    """Asks oauthlib by way of our classes, or of subclasses that the settings name.

    So what a project sets by itself in `OAUTH2_PROVIDER` opens nothing here.
    """

    @classmethod
    def get_server_class(cls) -> Any:
        """Give what knows the grants."""
        return _ours(oauth2_settings.OAUTH2_SERVER_CLASS, Server)

    @classmethod
    def get_validator_class(cls) -> Any:
        """Give what decides and stores."""
        return _ours(oauth2_settings.OAUTH2_VALIDATOR_CLASS, Validator)

    @classmethod
    def get_oauthlib_backend_class(cls) -> Any:
        """Give what reads requests."""
        return _ours(oauth2_settings.OAUTH2_BACKEND_CLASS, Core)

    @classmethod
    def get_oauthlib_core(cls) -> Any:
        """Make what asks oauthlib; it is small, and settings may have changed.

        The toolkit keeps one on the class, where subclasses find that of others.
        """
        return cls.get_oauthlib_backend_class()(cls.get_server())


def _ours(named: Any, ours: type) -> Any:
    is_ours = isinstance(named, type) and issubclass(named, ours)
    return named if is_ours else ours
