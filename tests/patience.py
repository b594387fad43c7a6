"""How long tests wait for what has to come."""

from __future__ import annotations

from typing import Final

PATIENCE_SECONDS: Final = 60.0
"""Bound of every wait for an event.

Nothing takes as long unless it never comes, also on a machine that does much else.
"""

SOON_SECONDS: Final = 8.0
"""Bound of what must not wait for something slow.

Which is a handler that takes a minute, or one of the timeouts of ten seconds and more.
The promise may be of a second or two, but other programs may have the processor.
"""
