"""What a program says of itself, brought down to what this site knows.

What is unsupported but not needed, such as a further grant type, is left out; the
answer to a registration tells what was taken. What is wrong is refused.

Spec: RFC 7591, section 2.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from oauth2_provider.scopes import get_scopes_backend

from mcp_django.oauth.authorization_server.redirect_uris import (
    RedirectURI,
    parse_redirect_uri,
)

Metadata: TypeAlias = Mapping[str, Any]
"""Names of RFC 7591 to JSON values, as a program sent them."""

GRANT_TYPES: Final = ("authorization_code", "refresh_token")
RESPONSE_TYPES: Final = ("code",)
AUTH_METHODS: Final = ("none", "client_secret_basic", "client_secret_post")
_DEFAULT_AUTH_METHOD: Final = "client_secret_basic"
APPLICATION_TYPES: Final = ("native", "web")

MAX_NAME_LENGTH: Final = 100
MAX_REDIRECT_URIS: Final = 20
_MAX_SHOWN: Final = 200

WRONG_METADATA: Final = "invalid_client_metadata"
WRONG_REDIRECT_URI: Final = "invalid_redirect_uri"


class ClientRefused(Exception):
    """A program cannot become a client of the site.

    Args:
        description: Why, for the people who wrote the program; only ASCII.
        error: The code of it.
        status: The HTTP status.
        retry_after: Seconds after which another try may succeed; None if none will.

    Spec: RFC 7591, section 3.2.2.
    """

    def __init__(
        self,
        description: str,
        *,
        error: str = WRONG_METADATA,
        status: int = 400,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.error = error
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What was taken of what a program says of itself.

    Attributes:
        name: What it calls itself; "" if it does not.
        redirect_uris: Where users may be sent back to; at least one, none twice.
        auth_method: How it proves itself at the token endpoint.
        scopes: What it will ask for, of the scopes that the site has; None if it does
            not say.
        application_type: "native" or "web"; None if it does not say.
    """

    name: str
    redirect_uris: Sequence[RedirectURI]
    auth_method: str
    scopes: Sequence[str] | None
    application_type: str | None


def parse_metadata(body: bytes) -> Metadata:
    """Read a JSON object.

    Raises:
        ClientRefused: It is none.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise ClientRefused("the body is not JSON") from None
    if not isinstance(given, dict):
        raise ClientRefused("the body is not a JSON object")
    return given


def read_metadata(
    given: Metadata, auth_methods: Sequence[str] = AUTH_METHODS
) -> ClientMetadata:
    """Take of a program's metadata what this site knows.

    What is null counts as left out.

    Args:
        given: What the program says.
        auth_methods: How it may prove itself.

    Raises:
        ClientRefused: It is wrong, or nothing of it is supported.

    Spec: RFC 7591, section 2.
    """
    given = {name: value for name, value in given.items() if value is not None}
    _check_supported(given, "grant_types", GRANT_TYPES[0])
    _check_supported(given, "response_types", RESPONSE_TYPES[0])
    return ClientMetadata(
        name=_read_name(_text(given, "client_name") or ""),
        redirect_uris=_read_redirect_uris(given),
        auth_method=_read_auth_method(given, auth_methods),
        scopes=_read_scopes(_text(given, "scope")),
        application_type=_choice(given, "application_type", APPLICATION_TYPES),
    )


def shown(text: str) -> str:
    """Write what a program sent so that it can stand in a description and a log."""
    return ascii(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}...")


# Values ---------------------------------------------------------------------------


def _text(given: Metadata, name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ClientRefused(f"{name} is not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ClientRefused(f"{name} is not Unicode text") from None
    return value


def _texts(given: Metadata, name: str) -> list[str] | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ClientRefused(f"{name} is not an array of strings")
    return value


def _choice(given: Metadata, name: str, choices: Sequence[str]) -> str | None:
    value = _text(given, name)
    if value is None or value in choices:
        return value
    raise ClientRefused(
        f"{name} {shown(value)} is not supported; supported: {', '.join(choices)}"
    )


def _check_supported(given: Metadata, name: str, needed: str) -> None:
    """Refuse a list without the only one with which users can log in here."""
    values = _texts(given, name)
    if values is not None and needed not in values:
        listed = shown(" ".join(values))
        raise ClientRefused(f"{name} {listed} are not supported; {needed} is")


def _read_redirect_uris(given: Metadata) -> Sequence[RedirectURI]:
    texts = _texts(given, "redirect_uris")
    if not texts:
        raise ClientRefused("redirect_uris is missing", error=WRONG_REDIRECT_URI)
    if len(texts) > MAX_REDIRECT_URIS:
        raise ClientRefused(
            f"redirect_uris are more than {MAX_REDIRECT_URIS}", error=WRONG_REDIRECT_URI
        )
    return [_read_redirect_uri(text) for text in dict.fromkeys(texts)]


def _read_redirect_uri(text: str) -> RedirectURI:
    try:
        return parse_redirect_uri(text)
    except ValueError as error:
        raise ClientRefused(
            f"redirect URI {shown(text)} cannot be taken: {error}",
            error=WRONG_REDIRECT_URI,
        ) from None


def _read_name(name: str) -> str:
    """Leave out of a name what is not seen, or turns around what stands beside it.

    Spec: RFC 7591, section 5, on names that mislead people.
    """
    name = unicodedata.normalize("NFC", name[: 10 * MAX_NAME_LENGTH])
    # Separators of lines are a kind of blank; other controls and formats are not seen.
    seen = "".join(
        character
        for character in " ".join(name.split())
        if not unicodedata.category(character).startswith("C")
    )
    return " ".join(seen[:MAX_NAME_LENGTH].split())


def _read_auth_method(given: Metadata, methods: Sequence[str]) -> str:
    """Choose how a program proves itself: as it likes best, or else as it can, too.

    ChatGPT likes best to sign with a key, and lists "none" among what it can.

    Spec: RFC 7591, section 2; OpenID Connect Relying Party Metadata Choices 1.0,
    section 2.
    """
    able = _texts(given, "token_endpoint_auth_methods_supported") or []
    liked = _text(given, "token_endpoint_auth_method")
    if liked not in methods:
        for method in able:
            if method in methods:
                return method
    default = _DEFAULT_AUTH_METHOD if _DEFAULT_AUTH_METHOD in methods else methods[0]
    return _choice(given, "token_endpoint_auth_method", methods) or default


def _read_scopes(text: str | None) -> Sequence[str] | None:
    if text is None:
        return None
    known = get_scopes_backend().get_all_scopes()
    return [scope for scope in dict.fromkeys(text.split()) if scope in known]
