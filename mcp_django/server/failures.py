"""Telling receivers of `got_request_exception`, as of error reporting, of failures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cache, partial
from typing import Final

import anyio.to_thread
from anyio.lowlevel import current_token
from django.core.signals import got_request_exception, setting_changed
from django.db import close_old_connections
from django.dispatch import receiver

from mcp_django.bulkheads.fair_threads import FairThreads
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

logger = FaultLog("mcp_django.server")

_WHAT: Final = "a receiver of got_request_exception"

# None in which asgiref has run anything: from those it runs `async def` receivers in
# the event loop of the process, which `SystemExit` of one would end.
_threads: Final = FairThreads("mcp-failure", 4, replaces=True)


async def tell_of_failure(sender: object, error: BaseException) -> None:
    """Tell Django of a failure, as for a view that raised, and wait within a bound.

    Args:
        sender: Of the signal.
        error: What was raised. Receivers look for it in `sys.exc_info()`, as error
            reporting and tests do.
    """
    if not got_request_exception.has_listeners(sender):
        return
    send = partial(own_context().run, _send, sender, error)
    with suppress(ServiceAway):  # it has said so in the log
        await _receivers().ask(partial(_run_in_thread, send))


async def _run_in_thread(send: partial[None]) -> None:
    if isinstance(current_token().native_token, asyncio.AbstractEventLoop):
        await _threads.run(send, what=lambda: _WHAT)
    else:
        await anyio.to_thread.run_sync(send, abandon_on_cancel=True)


def _send(sender: object, error: BaseException) -> None:
    close_old_connections()
    try:
        raise error
    except BaseException:
        try:
            # It logs what errors receivers raise.
            got_request_exception.send_robust(sender=sender, request=None)
        except BaseException as raised:  # in a thread, into which nothing is thrown
            logger.error(
                "a receiver of got_request_exception failed; mend it", exc_info=raised
            )
    finally:
        close_old_connections()


@cache
def _receivers() -> Service:
    return Service(
        _WHAT,
        "some failures are not told of",
        timeout=lambda: mcp_settings.RECEIVER_TIMEOUT,
        logger=logger,
    )


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "MCP":
        _receivers.cache_clear()
