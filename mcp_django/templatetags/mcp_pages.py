"""What templates of pages need, whichever view shows them."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context
from django.utils.formats import number_format
from django.utils.translation import gettext as _

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


@register.filter
def mcp_number(value: int) -> str:
    """Write a count as readers write it, with its thousands apart."""
    return number_format(value, force_grouping=True)


@register.filter
def mcp_duration(seconds: float | None) -> str:
    """Write how long something took, to two or three digits; "" of nothing."""
    if seconds is None:
        return ""
    if seconds < 1:
        n_ms = _rounded(seconds * 1000, 0 if seconds >= 0.01 else 1)
        return _("%(number)s ms") % {"number": n_ms}
    if seconds < 100:
        return _("%(number)s s") % {"number": _rounded(seconds, 1)}
    return _("%(number)s min") % {"number": _rounded(seconds / 60, 0)}


def _rounded(value: float, n_digits: int) -> str:
    # Django's function cuts digits off.
    return number_format(round(value, n_digits), decimal_pos=n_digits)
