"""Addresses: sealed texts that name a thing, and the mailbox of the worker with it.

A client gets one as the id of its session, or of what it is asked, and gives it back:
so any worker knows which one the message is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from django.core.signals import setting_changed
from django.dispatch import receiver

from mcp_django.signing import seal, unseal

Kind: TypeAlias = Literal["session", "ask"]

_MAX_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Address:
    """What an address says.

    Attributes:
        name: Names the thing, in its worker.
        mailbox: Channel of that worker; "" if no other one can reach it.
    """

    name: str
    mailbox: str


def seal_address(kind: Kind, address: Address) -> str:
    """Make the text that a client gets; other sites' and kinds' are told apart."""
    return seal(kind, [address.name, address.mailbox])


def unseal_address(kind: Kind, text: object) -> Address:
    """Read what a client gives back.

    Raises:
        ValueError: It is none that this site made.
    """
    if not isinstance(text, str) or len(text) > _MAX_CHARACTERS:
        raise ValueError(f"no sealed {kind}: no text, or too long")
    return _read(kind, text)


# On the hot path: a session that lives elsewhere is named by each post.
@lru_cache(maxsize=4096)
def _read(kind: Kind, text: str) -> Address:
    match unseal(kind, text):
        case [str() as name, str() as mailbox]:
            return Address(name, mailbox)
    raise ValueError(f"no sealed {kind}: of another form")


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        _read.cache_clear()
