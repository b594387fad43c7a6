"""Python's garbage collector, in a process that serves.

Django, the project and the protocol's models are some hundred thousand objects that
stay as long as the process. A full collection walks through all of them, and everybody
waits meanwhile.
"""

from __future__ import annotations

import gc
from functools import cache
from typing import Final

from django.core import mail

from mcp_django.conf import mcp_settings

_FROZEN_AT_START: Final = 1_000
"""More objects than Python itself takes out of the way as it starts: 375 in 3.12."""


def begin_collecting() -> None:
    """Turn the collector on in a process that has turned it off to start faster.

    What is loaded by now is out of its way; unlike `spare_loaded_objects`, without a
    look for the little garbage that is in it.
    """
    if gc.isenabled():
        return
    if mcp_settings.GC_FREEZE:
        gc.freeze()
    gc.enable()


@cache
def spare_loaded_objects() -> None:
    """Take what is loaded by now out of the collector's way; once in each process.

    To be called when a process begins to serve: what is open by then would never be
    collected. A project with ways of its own is left alone: where the collector is off,
    or objects were taken out of its way before. So are tests, which make and drop much
    in one process.
    """
    if (
        mcp_settings.GC_FREEZE
        and gc.isenabled()
        and gc.get_freeze_count() < _FROZEN_AT_START
        and not hasattr(mail, "outbox")  # Django's own sign of a test environment
    ):
        gc.collect()
        gc.freeze()
