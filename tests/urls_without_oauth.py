"""URLs of the test project, as one without our router and OAuth has them."""

from django.urls import include, path

from tests.urls import urlpatterns as site

urlpatterns = [*site[1:], path("", include("mcp_django.urls"))]
