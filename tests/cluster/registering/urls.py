"""URLs of the site."""

from django.urls import path

from mcp_django.oauth.authorization_server.registration import RegistrationView

urlpatterns = [path("oauth/register", RegistrationView.as_view())]
