"""What templates of pages need, whichever view shows them."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from mcp_django.amounts import count_text, duration_text
from mcp_django.conf import mcp_settings
from mcp_django.rendering import site_name_of

register = template.Library()


@register.simple_tag(takes_context=True)
def mcp_site_name(context: Context) -> Any:
    """Give the site's name, also where a view of others gives another."""
    request = getattr(context, "request", None)
    if request is not None:
        return site_name_of(request)
    return mcp_settings.SITE_NAME or context.get("site_name", "")


register.filter("mcp_count", count_text)
register.filter("mcp_duration", duration_text)
