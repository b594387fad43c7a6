"""URLs that depend on the language, with the words that Django itself translates."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from tests.site.mcp import server


def page(request: HttpRequest) -> HttpResponse:
    """Answer whatever is asked."""
    return HttpResponse("a page")


urlpatterns = [
    *i18n_patterns(
        *server.urls("mcp"),
        path(
            # "monday/", "montag/", "lundi/"
            format_lazy("{}/", gettext_lazy("Monday")),
            include(server.urls("mcp")),
        ),
    ),
    path(format_lazy("{}/", gettext_lazy("Tuesday")), include(server.urls("mcp"))),
    re_path("^[a-z]*$", page),
]
