"""URLs of the bakery, in every language."""

from django.conf.urls.i18n import i18n_patterns

from tests import bakery

urlpatterns = [*i18n_patterns(*bakery.server.urls("mcp")), *bakery.server.urls("mcp")]
