"""The site: a door that lets everybody in as staff, a way out, and the endpoint."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from tests.pages.browser.workbench import server


def enter(request: HttpRequest) -> HttpResponse:
    """Log in as a clerk, and go on."""
    user, _ = User.objects.get_or_create(username="clerk", is_staff=True)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect(request.GET.get("next", "/mcp/console/"))


def leave(request: HttpRequest) -> HttpResponse:
    """Log out."""
    logout(request)
    return HttpResponse(status=204)


urlpatterns = [
    path("enter/", enter, name="enter"),
    path("leave/", leave),
    *server.urls("mcp"),
]
