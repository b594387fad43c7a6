"""Exceptions of Django, and of its REST framework, as answers.

Handlers use Django's shortcuts, forms and models, which raise what Django's own request
handler knows. It is answered here with what a view would have said, in words that hold
nothing of the site's inside, and logged where Django logs it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.utils.functional import Promise

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.server.errors import with_details

NOT_FOUND: Final = "Not found"
"""For every row that is not there, and every one that the user may not see."""

_DENIED: Final = "Permission denied"
_BAD_REQUEST: Final = "Bad request"

_BY_SHORTCUT = re.compile(r"No \w+ matches the given query\.")
"""What `get_object_or_404` says, with the name of the model's class."""

_MAX_TEXT: Final = 2000

logger = FaultLog("django.request")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is said of a request by an exception that stands for an HTTP status.

    Attributes:
        status: HTTP status that Django answers a view's request with.
        text: For the model, or for the client program.
    """

    status: int
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Refusal | None:
        """Read an exception; None if Django would answer it with a failure."""
        match error:
            case ObjectDoesNotExist():
                # Its text names the model's class.
                return cls(404, NOT_FOUND)
            case Http404():
                text = _said_by(error)
                by_shortcut = _BY_SHORTCUT.fullmatch(text) is not None
                return cls(404, NOT_FOUND if by_shortcut else text or NOT_FOUND)
            case PermissionDenied():
                return cls(403, _said_by(error) or _DENIED)
            case ValidationError():
                return cls(400, _cut("; ".join(_problems_of(error))) or _BAD_REQUEST)
            case SuspiciousOperation() | BadRequest() | MultiPartParserError():
                # Django shows nothing of them either, but under DEBUG.
                return cls(400, with_details(_BAD_REQUEST, error))
        return cls._of_rest_framework(error)

    @classmethod
    def _of_rest_framework(cls, error: BaseException) -> Refusal | None:
        # Code that raised one of its exceptions has imported it.
        module = sys.modules.get("rest_framework.exceptions")
        if module is None or not isinstance(error, module.APIException):
            return None
        status: int = error.status_code
        if status == 404 and error.detail == error.default_detail:
            return cls(404, NOT_FOUND)
        return cls(status, _cut("; ".join(_flat(error.detail))) or _BAD_REQUEST)

    def log(self, error: BaseException, what: str) -> None:
        """Log the exception as Django would.

        Args:
            error: What this was made of.
            what: Which request it answers.
        """
        status = {"status_code": self.status}
        match error:
            case SuspiciousOperation():
                security = FaultLog(f"django.security.{type(error).__name__}")
                security.error("%s", error, exc_info=error, extra=status)
            case PermissionDenied():
                logger.warning(
                    "Forbidden (Permission denied): %s",
                    what,
                    exc_info=error,
                    extra=status,
                )
            case BadRequest() | MultiPartParserError():
                logger.warning("%s: %s", error, what, exc_info=error, extra=status)
            case _ if self.status >= 500:
                logger.error("%s", what, exc_info=error, extra=status)
            case ObjectDoesNotExist():
                # Perhaps one that the handler should not have been surprised by.
                logger.warning("Not Found: %s", what, exc_info=error, extra=status)
            case _ if self.status == 404:
                logger.warning("Not Found: %s", what, of=what, extra=status)
            case _:
                logger.warning("Bad Request: %s", what, of=what, extra=status)


def _said_by(error: Exception) -> str:
    """Give the text that an exception was raised with; "" for what is no text."""
    said = error.args[0] if error.args else ""
    return _cut(str(said)) if isinstance(said, str | Promise) else ""


def _problems_of(error: ValidationError) -> Iterator[str]:
    by_field: Mapping[str, list[str]] | None = getattr(error, "error_dict", None)
    yield from _flat(error.messages if by_field is None else error.message_dict)


def _flat(detail: Any, place: str = "") -> Iterator[str]:
    """Yield what is wrong, each with its place, of texts in dicts and lists."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            name = "" if key in (NON_FIELD_ERRORS, "non_field_errors") else str(key)
            yield from _flat(inner, ".".join(filter(None, (place, name))))
    elif isinstance(detail, list | tuple):
        texts = [str(item) for item in detail if isinstance(item, str | Promise)]
        if texts:
            yield from _flat(" ".join(texts), place)
        for number, inner in enumerate(detail):
            if not isinstance(inner, str | Promise):
                yield from _flat(inner, f"{place}[{number}]")
    else:
        yield f"{place}: {detail}" if place else str(detail)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
