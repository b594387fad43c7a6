"""When users' programs were last used, written down once a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from django.db import Error
from django.utils import timezone
from oauth2_provider.models import get_application_model

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.models import Consent

logger = FaultLog("mcp_django.oauth")

PRECISION_SECONDS: Final = 60.0
"""Uses closer together than this are recorded once by a process."""

_PATIENCE_SECONDS: Final = 0.25
_PAUSE_SECONDS: Final = 60.0
_MOST: Final = 10_000


class UseRecorder:
    """Records when programs act; one for each process, used by many threads.

    A database that takes no writes keeps no program out: it is asked again after a
    minute. Where a write hangs, others do not wait for it.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._writing = threading.Lock()
        self._record_from = 0.0
        self._recorded: dict[tuple[Any, Any, tuple[str, ...]], float] = {}

    def record(
        self, user_id: Any, application_id: Any, resources: Collection[str]
    ) -> None:
        """Record that a program acts now.

        Args:
            user_id: Primary key of the user for whom it acts.
            application_id: Primary key of the program.
            resources: The endpoints that its token is for.
        """
        now = self._clock()
        key = (user_id, application_id, tuple(resources))
        recorded = self._recorded.get(key)
        if recorded is not None and now - recorded < PRECISION_SECONDS:
            return
        if now < self._record_from:
            return
        if not self._writing.acquire(timeout=_PATIENCE_SECONDS):
            self._pause("a write hangs")
            return
        try:
            programs = get_application_model().objects.filter(pk=application_id)
            Consent.objects.filter(
                user_id=user_id,
                client_id__in=programs.values("client_id"),
                resource__in=resources,
            ).update(last_used_at=timezone.now())
        except Error as error:
            self._pause(error)
            return
        finally:
            self._writing.release()
        if len(self._recorded) >= _MOST:
            self._recorded.clear()
        self._recorded[key] = now

    def _pause(self, reason: object) -> None:
        self._record_from = self._clock() + _PAUSE_SECONDS
        logger.warning(
            "the use of programs cannot be recorded, for a minute at "
            "least; look at the database: %s",
            reason,
        )
