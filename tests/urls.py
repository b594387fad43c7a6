"""URLs of the test project."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path

from tests.site.mcp import server

urlpatterns = [
    path("", include("mcp_django.oauth.urls")),
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(template_name="mcp_django/login.html")),
    path("under/a/<slug:name>/", include(server.urls("tools"))),
    *server.urls("mcp"),
]
