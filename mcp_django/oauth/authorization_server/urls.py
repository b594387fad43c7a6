"""URLs of the authorization server, which `mcp_django.oauth.urls` includes."""

from __future__ import annotations

from django.urls import path

from mcp_django.oauth.authorization_server.token_views import RevokeView, TokenView

app_name = "mcp_oauth"

urlpatterns = [
    path("oauth/token", TokenView.as_view(), name="token"),
    path("oauth/revoke", RevokeView.as_view(), name="revoke"),
]
