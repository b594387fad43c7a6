"""The admin page of clients: the toolkit's, for those that come by themselves, too.

Named as `APPLICATION_ADMIN_CLASS`; `oauth2_provider()` does. The toolkit's own admin
module, which has to be imported first, asks for it.
"""

from __future__ import annotations

from oauth2_provider.admin import ApplicationAdmin as ToolkitAdmin


class ApplicationAdmin(ToolkitAdmin):  # type: ignore[misc]  # the toolkit has no types
    """Lists clients, the youngest first, and how each came."""

    list_display = ("__str__", "client_id", "registration_source", "created")
    list_filter = ("registration_source", "created", *ToolkitAdmin.list_filter[:-1])
    search_fields = ("client_id", "redirect_uris", *ToolkitAdmin.search_fields)
    ordering = ("-created",)
    # The toolkit's own pages of clients are not there.
    view_on_site = False
