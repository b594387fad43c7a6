"""The log of a layer, in which each kind of fault is a line a minute at most."""

from __future__ import annotations

import logging
import sys
from collections.abc import Hashable, Mapping
from typing import Any, TypedDict, Unpack

from mcp_django.bulkheads.fault_lines import Fault, FaultLines, fault_lines
from mcp_django.bulkheads.log_values import escaped


class Details(TypedDict, total=False):
    """What else may be said of a fault.

    Attributes:
        exc_info: An exception to log with its traceback, or whether to log the one that
            is handled now.
        of: What the fault is about, if that makes it another kind.
        lasts: Whether `over` will say that it is over.
        times: How often it happened; 0 if it goes on.
        extra: Attributes for the record.
    """

    exc_info: BaseException | bool | None
    of: Hashable
    lasts: bool
    times: int
    extra: Mapping[str, Any]


class FaultLog:
    """Is used as a logger, and says faults sparingly.

    A warning or an error is a fault. The first of its kind is said at once, and those
    of the following minute by their number. Their text says what is wrong and what to
    do. Values are escaped at every level.

    Args:
        name: Of the logger.
        lines: Know what has been said.
    """

    def __init__(self, name: str, lines: FaultLines = fault_lines) -> None:
        self._logger = logging.getLogger(name)
        self._lines = lines

    def debug(self, text: str, *args: object, exc_info: Any = None) -> None:
        """Write a line that is no fault, for developers."""
        if self._logger.isEnabledFor(logging.DEBUG):
            shown = map(escaped, args)
            self._logger.debug(text, *shown, exc_info=exc_info, stacklevel=2)

    def info(self, text: str, *args: object) -> None:
        """Write a line that is no fault."""
        if self._logger.isEnabledFor(logging.INFO):
            self._logger.info(text, *map(escaped, args), stacklevel=2)

    def warning(self, text: str, *args: object, **details: Unpack[Details]) -> bool:
        """Say that something is wrong, which the site can live with.

        Returns:
            Whether a line says so now.
        """
        return self._say(logging.WARNING, text, args, details)

    def error(self, text: str, *args: object, **details: Unpack[Details]) -> bool:
        """Say that something failed.

        Returns:
            Whether a line says so now.
        """
        return self._say(logging.ERROR, text, args, details)

    def exception(self, text: str, *args: object, **details: Unpack[Details]) -> bool:
        """Say that something failed, with the exception that is handled now.

        Returns:
            Whether a line says so now.
        """
        return self._say(logging.ERROR, text, args, {"exc_info": True, **details})

    def log(
        self, level: int, text: str, *args: object, **details: Unpack[Details]
    ) -> bool:
        """Say it at a level that depends on something; below a warning it is no fault.

        Returns:
            Whether a line says so now.
        """
        return self._say(level, text, args, details)

    def over(self, fault: str, of: Hashable, text: str, *args: object) -> None:
        """Say that a fault that lasts is over, if it was said that it began.

        Args:
            fault: The text of the fault.
            of: What it was about.
            text: Says that it is over.
            args: Values for that.
        """
        if self._lines.end(self._logger, fault, of):
            self._logger.warning(text, *map(escaped, args), stacklevel=2)

    def _say(
        self, level: int, text: str, args: tuple[object, ...], details: Details
    ) -> bool:
        error = details.get("exc_info")
        if isinstance(error, bool):
            error = sys.exception() if error else None
        fault = Fault(
            self._logger,
            level,
            text,
            args,
            error=error,
            of=details.get("of"),
            lasts=details.get("lasts", False),
            times=details.get("times", 1),
            extra=details.get("extra"),
        )
        return self._lines.say(fault)
