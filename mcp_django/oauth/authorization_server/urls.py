"""URLs of the authorization server, which `mcp_django.oauth.urls` includes."""

from __future__ import annotations

from django.urls import path

from mcp_django.oauth.authorization_server.consent import ConsentView
from mcp_django.oauth.authorization_server.programs import (
    ProgramsView,
    RevokeProgramView,
)
from mcp_django.oauth.authorization_server.registration import RegistrationView
from mcp_django.oauth.authorization_server.token_views import RevokeView, TokenView

app_name = "mcp_oauth"

urlpatterns = [
    path("oauth/authorize", ConsentView.as_view(), name="authorize"),
    path("oauth/token", TokenView.as_view(), name="token"),
    path("oauth/revoke", RevokeView.as_view(), name="revoke"),
    path("oauth/register", RegistrationView.as_view(), name="register"),
    path("oauth/programs/", ProgramsView.as_view(), name="programs"),
    path("oauth/programs/revoke/", RevokeProgramView.as_view(), name="program_revoke"),
]
