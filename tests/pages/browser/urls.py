"""The demo's pages, a workbench at `/bench`, and doors that need no password."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path

from tests.pages.browser.static_files import static_file
from tests.pages.browser.workbench import server

STAFF = {"clerk": [], "librarian": ["add_book", "change_book", "view_book"]}
"""Users beside those of the demo: their names, which are their passwords, too, and
what they may do."""


def enter(request: HttpRequest, name: str) -> HttpResponse:
    """Log a user in, and go on."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User.objects.create_user(name, password=name, is_staff=name in STAFF)
        may = Permission.objects.filter(codename__in=STAFF.get(name, []))
        user.user_permissions.set(may)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect(request.GET["next"])


def leave(request: HttpRequest) -> HttpResponse:
    """Log out."""
    logout(request)
    return HttpResponse(status=204)


urlpatterns = [
    path("static/<path:name>", static_file),
    path("enter/<name>/", enter),
    path("leave/", leave),
    *server.urls("bench"),
    path("", include("demo_project.urls")),
]
