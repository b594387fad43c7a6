"""Authenticators that say what a test wants them to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from mcp_django.auth.interface import Authenticator, Identity


class Vouching(Authenticator):
    """Says of each identity what the test wants it to say."""

    def __init__(self) -> None:
        self.asked: list[Identity] = []
        self.says: bool | BaseException = True

    def authenticate(self, request: HttpRequest) -> Identity | None:
        return None

    def is_still_valid(self, identity: Identity) -> bool:
        self.asked.append(identity)
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


class VouchingLater(Vouching):
    """Says it in a coroutine, or in whatever `make` makes of it."""

    def __init__(self, make: Callable[[bool], Any]) -> None:
        super().__init__()
        self.make = make

    def is_still_valid(self, identity: Identity) -> bool:
        self.asked.append(identity)
        return self.make(bool(self.says))  # type: ignore[no-any-return]
