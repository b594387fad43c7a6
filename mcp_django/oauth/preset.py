"""The setting `OAUTH2_PROVIDER` as MCP clients need it."""

from __future__ import annotations

from typing import Any, Final

_HERE: Final = "mcp_django.oauth.authorization_server"

_HOUR: Final = 60 * 60
_DAY: Final = 24 * _HOUR

_PRESET: Final[dict[str, Any]] = {
    # What decides, and what is stored -----------------------------------------------
    "OAUTH2_BACKEND_CLASS": f"{_HERE}.core.Core",
    "OAUTH2_SERVER_CLASS": f"{_HERE}.grants.Server",
    "OAUTH2_VALIDATOR_CLASS": f"{_HERE}.validator.Validator",
    "ACCESS_TOKEN_GENERATOR": f"{_HERE}.token_texts.access_token",
    "REFRESH_TOKEN_GENERATOR": f"{_HERE}.token_texts.refresh_token",
    "SCOPES_BACKEND_CLASS": f"{_HERE}.scopes.EndpointScopes",
    # How long it lasts ------------------------------------------------------------
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ACCESS_TOKEN_EXPIRE_SECONDS": _HOUR,
    # Since the last access token that was made with it has ended.
    "REFRESH_TOKEN_EXPIRE_SECONDS": 30 * _DAY,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    # The toolkit's needs tokens in plain text; ours is MCP["REFRESH_GRACE_SECONDS"].
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    # What is remembered is what the user allowed, not which tokens there are.
    "REQUEST_APPROVAL_PROMPT": "auto",
    # What is allowed ----------------------------------------------------------------
    "PKCE_REQUIRED": True,
    "ALLOW_URI_WILDCARDS": False,
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": [
        "https",
        "http",
        "cursor",
        "vscode",
        "vscode-insiders",
    ],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "refresh_token"],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": [
        "none",
        "client_secret_basic",
        "client_secret_post",
    ],
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    # What administrators see ------------------------------------------------------
    "APPLICATION_ADMIN_CLASS": f"{_HERE}.application_admin.ApplicationAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": f"{_HERE}.token_admin.AccessTokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": f"{_HERE}.token_admin.RefreshTokenAdmin",
    # Who may come -------------------------------------------------------------------
    "DCR_ENABLED": True,
    "CIMD_ENABLED": True,
    "CIMD_METADATA_FETCHER": f"{_HERE}.client_documents.DocumentFetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": [
        f"{_HERE}.client_documents.FetchedForUsers"
    ],
}


def oauth2_provider(**overrides: Any) -> dict[str, Any]:
    """Give the value of `OAUTH2_PROVIDER` with which MCP clients can log in.

    In the settings::

        from mcp_django.oauth.preset import oauth2_provider

        OAUTH2_PROVIDER = oauth2_provider()

    Args:
        overrides: Settings of django-oauth-toolkit that the project wants otherwise;
            system checks say which of them stop MCP clients, or are not safe.
    """
    return _PRESET | overrides
