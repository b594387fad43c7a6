"""Encryption of what is stored: with the database alone it cannot be read.

The key comes of Django's `SECRET_KEY`, by HKDF. What was encrypted with one of
`SECRET_KEY_FALLBACKS` can still be read, until it is encrypted anew. Each text is bound
to its place, such as a user and a server: copied to another one, it cannot be read.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.utils.encoding import force_bytes

from mcp_django.protocol.jsonrpc import JSON
from mcp_django.transports.client.extras import brought_by

with brought_by("client"):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORM: Final = "1"
"""Of the texts: how they are made, so that it can change."""

_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class Undecryptable(ValueError):
    """A text cannot be read: its key is gone, or it is not from this place."""


def encrypt(value: JSON, *place: str) -> str:
    """Make a text of a JSON value that none but this site can read or change.

    Args:
        value: A JSON value.
        place: Where the text will be, such as a user's id and a URL; it can be read
            there only.
    """
    key = _key_of(settings.SECRET_KEY)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    plain = json.dumps(value, separators=(",", ":")).encode()
    sealed = nonce + key.cipher.encrypt(nonce, plain, _bound_to(place))
    return f"{_FORM}.{key.id}.{base64.urlsafe_b64encode(sealed).decode()}"


def decrypt(text: str, *place: str) -> JSON:
    """Give back the value of a text.

    Raises:
        Undecryptable: It was encrypted with a key that this site does not have (any
            more), or for another place, or changed.
    """
    form, key_id, sealed = _parts(text)
    for key in _keys():
        if form != _FORM or key.id != key_id:
            continue
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            value: JSON = json.loads(
                key.cipher.decrypt(nonce, encrypted, _bound_to(place))
            )
        except (InvalidTag, ValueError):
            break
        return value
    else:
        raise Undecryptable(
            "it was encrypted with a SECRET_KEY that is neither the site's nor among "
            "SECRET_KEY_FALLBACKS"
        )
    raise Undecryptable("it was changed, or encrypted for another user or server")


def is_current(text: str) -> bool:
    """Say whether a text was encrypted with `SECRET_KEY` itself, and as today."""
    try:
        form, key_id, _ = _parts(text)
    except Undecryptable:
        return False
    return form == _FORM and key_id == _key_of(settings.SECRET_KEY).id


@dataclass(frozen=True, slots=True)
class _Key:
    """What is made of one secret key.

    Attributes:
        id: Tells it from others, and nothing about itself.
        cipher: Encrypts with it.
    """

    id: str
    cipher: AESGCM


def _keys() -> Iterator[_Key]:
    yield _key_of(settings.SECRET_KEY)
    yield from map(_key_of, settings.SECRET_KEY_FALLBACKS)


def _key_of(secret_key: str | bytes) -> _Key:
    return _derive(force_bytes(secret_key))


@lru_cache(maxsize=16)
def _derive(secret_key: bytes) -> _Key:
    def derive(length: int, purpose: bytes) -> bytes:
        info = b"mcp_django.accounts " + purpose
        return HKDF(SHA256(), length, salt=None, info=info).derive(secret_key)

    return _Key(
        id=derive(_KEY_ID_BYTES, b"key id").hex(),
        cipher=AESGCM(derive(_KEY_BYTES, b"encryption")),
    )


def _bound_to(place: tuple[str, ...]) -> bytes:
    """Make what a text is bound to; JSON, so that no two places are the same."""
    return json.dumps([_FORM, *place]).encode()


def _parts(text: str) -> tuple[str, str, bytes]:
    try:
        form, key_id, encoded = text.split(".")
        sealed = base64.b64decode(encoded, altchars="-_", validate=True)
        is_ours = base64.urlsafe_b64encode(sealed).decode() == encoded
    except (ValueError, binascii.Error):
        is_ours = False
    if not is_ours:
        raise Undecryptable("it is no text that was encrypted here")
    return form, key_id, sealed
