"""The pages of accounts::

    path("accounts/", include("mcp_django.accounts.urls")),

They are found as `mcp_accounts:accounts`, `mcp_accounts:connect` and so on, whatever
they are below.
"""

from django.urls import path

from mcp_django.accounts import views

app_name = "mcp_accounts"

urlpatterns = [
    path("", views.show_accounts, name="accounts"),
    path("client.json", views.describe_client, name="client"),
    path("disconnect/", views.disconnect, name="disconnect"),
    path("<slug:name>/connect/", views.connect, name="connect"),
    # One for each server, so that the answer of one is never taken for another's.
    path("<slug:name>/callback/", views.finish, name="callback"),
]
