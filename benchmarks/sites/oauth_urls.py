"""URLs of the fixture site, and those of OAuth."""

from django.urls import include, path

from tests.conformance.urls import urlpatterns as fixture

urlpatterns = [path("", include("mcp_django.oauth.urls")), *fixture]
