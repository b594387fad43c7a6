"""Sealing: values that clients and other processes carry, and cannot forge.

All by Django's signing, so that `SECRET_KEY_FALLBACKS` rotates the keys; each kind of
value has a salt of its own. Sealed values are signed, not secret.
"""

from __future__ import annotations

from typing import Any

from django.core.signing import BadSignature, Signer


def seal(kind: str, value: Any) -> str:
    """Make a text of a JSON value: characters that are safe in URLs and headers.

    Args:
        kind: What the value is for, such as "session"; part of the salt.
        value: A JSON value.
    """
    return _signer(kind).sign_object(value)


def unseal(kind: str, text: str) -> Any:
    """Give back the value of a sealed text.

    Raises:
        ValueError: The text is malformed, or was not sealed by this site for this
            kind.
    """
    try:
        return _signer(kind).unsign_object(text)
    except BadSignature:
        raise ValueError(f"no sealed {kind}") from None


def _signer(kind: str) -> Signer:
    # A separator that needs no percent-encoding in URLs, unlike Django's own.
    return Signer(salt=f"mcp_django.{kind}", sep=".")
