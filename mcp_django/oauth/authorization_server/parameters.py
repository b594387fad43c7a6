"""What clients send, read once and strictly, before anything else sees it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from oauthlib.common import urlencode

MAX_CHARACTERS: Final = 4096
"""Length of one parameter. A URL as long as that is hardly carried anywhere."""

_FORM: Final = "application/x-www-form-urlencoded"
_FORMS: Final = (_FORM, "multipart/form-data")
"""The second is what browsers make of a `FormData`; it can be read as well."""

_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no parameter has: not all databases and headers can take it."""

_OF_AUTHORIZATION: Final = frozenset(
    {
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
    }
)
_OF_TOKENS: Final = frozenset(
    {
        "client_id",
        "client_secret",
        "code",
        "code_verifier",
        "grant_type",
        "redirect_uri",
        "refresh_token",
        "scope",
        "token",
        "token_type_hint",
    }
)


class BadParameters(ValueError):
    """A request cannot be read; the text says why, to its sender."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of OAuth in a request; others are left out.

    Attributes:
        values: Name -> value; there is none that is empty.
        resources: What the parameters `resource` name, each once.
    """

    values: dict[str, str]
    resources: list[str]

    def get(self, name: str) -> str:
        """Give a value, "" if there is none."""
        return self.values.get(name, "")

    def encode(self, resources: Iterable[str] = (), without: Iterable[str] = ()) -> str:
        """Write them as a form, with other resources and without some values."""
        kept = [(k, v) for k, v in self.values.items() if k not in set(without)]
        text: str = urlencode([*kept, *(("resource", url) for url in resources)])
        return text


def read_query(request: HttpRequest) -> Parameters:
    """Read the parameters with which a program asks for authorization.

    Raises:
        BadParameters: One comes twice, is too long, or no text, or there are too many.

    Spec: RFC 6749, section 3.1.
    """
    try:
        query = request.GET
    except SuspiciousOperation:
        raise BadParameters("the URL has too many parameters") from None
    return _read(query, _OF_AUTHORIZATION)


def read_form(request: HttpRequest) -> Parameters:
    """Read what a program posts to get or to end tokens.

    Raises:
        BadParameters: It is no form, or one parameter comes twice, is too long, or no
            text.

    Spec: RFC 6749, section 3.2.
    """
    if request.META.get("QUERY_STRING"):
        raise BadParameters("parameters go into the body, not into the URL")
    if request.content_type not in _FORMS:
        raise BadParameters(f"the body must be {_FORM}")
    try:
        form = request.POST
    except (
        BadRequest,
        MultiPartParserError,
        SuspiciousOperation,
        UnreadablePostError,
        ValueError,
    ):
        raise BadParameters("the body cannot be read as a form") from None
    return _read(form, _OF_TOKENS)


def _read(given: QueryDict, known: Collection[str]) -> Parameters:
    values: dict[str, str] = {}
    for name in known & given.keys():
        found = [text for text in given.getlist(name) if text]
        if len(found) > 1:
            raise BadParameters(f"the parameter {name} comes twice")
        if found:
            values[name] = _checked(name, found[0])
    resources = [_checked("resource", text) for text in given.getlist("resource")]
    return Parameters(values, list(dict.fromkeys(filter(None, resources))))


def _checked(name: str, text: Any) -> str:
    if len(text) > MAX_CHARACTERS:
        raise BadParameters(
            f"the parameter {name} has more than {MAX_CHARACTERS} characters"
        )
    if _NO_TEXT.search(text):
        raise BadParameters(f"the parameter {name} has control characters")
    return str(text)
