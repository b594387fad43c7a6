"""For how long more than twice a rate was let through."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

_WINDOW = 0.5
_STEP = 0.02


def longest_rush(times: Sequence[float], rate: float) -> float:
    """Give the longest time in which each half second had more than twice the rate.

    Half a second is how long it takes to see what the rate is.

    Args:
        times: When each request was let through, in seconds.
        rate: Requests a second.
    """
    times = sorted(times)
    longest, began = 0.0, None
    first, last = (times[0], times[-1]) if times else (0.0, 0.0)
    for step in range(round((last - first) / _STEP) + 2):
        begin = first + step * _STEP
        count = bisect_left(times, begin + _WINDOW) - bisect_left(times, begin)
        if count <= 2 * rate * _WINDOW:
            began = None
            continue
        began = begin if began is None else began
        longest = max(longest, begin - began)
    return longest
