"""URLs with the registration of clients, and the toolkit's own for revoking."""

from django.urls import path
from oauth2_provider.views import RevokeTokenView

from mcp_django.oauth.authorization_server.registration import RegistrationView
from tests.site.mcp import server

urlpatterns = [
    path("oauth/register", RegistrationView.as_view()),
    path("o/revoke", RevokeTokenView.as_view()),
    *server.urls("mcp"),
]
