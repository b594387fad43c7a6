"""All URLs of OAuth: documents for programs and, with django-oauth-toolkit, where users
log in and programs get their tokens.

Include them at the site's root, before others that have some of the same paths, such as
django-oauth-toolkit's own::

    urlpatterns = [path("", include("mcp_django.oauth.urls")), ...]

What the project has elsewhere at a path where clients look is left alone, unless it is
a document that we have.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.urls import include, path

urlpatterns: list[Any] = [path("", include("mcp_django.urls"))]

if apps.is_installed("oauth2_provider"):
    login = "mcp_django.oauth.authorization_server.urls"
    urlpatterns.insert(0, path("", include(login)))
