"""URLs of a site whose users have accounts elsewhere."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from mcp_django.accounts.servers import other_server
from mcp_django.client.sync import SyncClient
from mcp_django.exceptions import LoginRequired


def stock(request: HttpRequest) -> HttpResponse:
    """Show how much the warehouse has of nails."""
    warehouse = other_server("warehouse")
    try:
        with SyncClient(warehouse.url, auth=warehouse.auth_for(request.user)) as client:
            result = client.call_tool("count_items", {"item": "nails"})
    except LoginRequired as error:
        return warehouse.redirect_to_connect(request, error)
    return HttpResponse(str(result.structured_content))


urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("accounts/", include("mcp_django.accounts.urls")),
    path("stock/", stock),
    path("admin/", admin.site.urls),
]
