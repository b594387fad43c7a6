"""URLs of the test project, as one without our router has them."""

from django.urls import include, path

from tests.urls import urlpatterns as site

urlpatterns = [*site, path("", include("mcp_django.urls"))]
