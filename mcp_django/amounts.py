"""Counts and durations in words for people, as the reader's language writes them."""

from __future__ import annotations

import math
from typing import Final

from django.utils import formats
from django.utils.translation import gettext

NOTHING: Final = "\N{EN DASH}"


def count_text(count: int) -> str:
    """Write a count, with its thousands apart."""
    return formats.number_format(count, force_grouping=True)


def duration_text(seconds: float | None) -> str:
    """Write a duration with two digits that count, and a unit that fits.

    Of nothing it is a dash.
    """
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return gettext("%(number)s\N{NO-BREAK SPACE}ms") % {
            "number": _rounded(seconds * 1000)
        }
    if seconds < 100:
        return gettext("%(number)s\N{NO-BREAK SPACE}s") % {"number": _rounded(seconds)}
    return gettext("%(number)s\N{NO-BREAK SPACE}min") % {
        "number": _rounded(seconds / 60)
    }


def _rounded(number: float) -> str:
    places = max(0, 1 - math.floor(math.log10(number))) if number > 0 else 0
    text = formats.number_format(
        round(number, places), decimal_pos=min(places, 3), force_grouping=True
    )
    separator = formats.get_format("DECIMAL_SEPARATOR")
    return text.rstrip("0").rstrip(separator) if separator in text else text
