"""Sealed addresses of sessions and questions."""

from typing import Any

import pytest

from mcp_django.signing import seal
from mcp_django.worker.addresses import Address, Kind, seal_address, unseal_address

HERE = Address("name", "specific.abc!defghij")


@pytest.mark.parametrize("kind", ["session", "ask"])
@pytest.mark.parametrize("mailbox", ["", "mailbox", "specific.abc!defghij"])
def test_address_names_the_mailbox_of_its_worker(kind: Kind, mailbox: str) -> None:
    """Our choice: any worker finds the session, and nothing has to be stored."""
    address = Address("name", mailbox)
    assert unseal_address(kind, seal_address(kind, address)) == address


def test_address_is_safe_in_urls_and_headers() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": visible ASCII."""
    safe = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
    for number in range(100):
        assert set(seal_address("session", Address(str(number), HERE.mailbox))) <= safe


def test_address_that_was_changed_is_none() -> None:
    """Our choice: signed, so that no client sends messages to a channel of its own."""
    sealed = seal_address("session", HERE)
    for position in range(len(sealed)):
        other = "A" if sealed[position] != "A" else "B"
        changed = sealed[:position] + other + sealed[position + 1 :]
        with pytest.raises(ValueError, match=r"^no sealed session"):
            unseal_address("session", changed)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        ".",
        "x",
        "a.b",
        "..",
        "\x00",
        "é" * 10,
        "\udc80",
        "x" * 401,
        "x" * 1_000_000,
        seal("session", "mailbox"),
        seal("session", ["key"]),
        seal("session", ["key", 7]),
        seal("session", {"key": "mailbox"}),
        seal("session", ["key", "x" * 400]),
        seal("other", ["key", "mailbox"]),
        seal_address("ask", HERE),
    ],
)
def test_what_is_no_address_is_refused(text: Any) -> None:
    """Our choice: whatever a client sends."""
    with pytest.raises(ValueError):
        unseal_address("session", text)


def test_address_stays_good_while_the_key_is_rotated(settings: Any) -> None:
    """Our choice: `SECRET_KEY_FALLBACKS`, as everywhere in Django."""
    settings.SECRET_KEY = "old key"
    sealed = seal_address("session", HERE)
    settings.SECRET_KEY = "new key"
    with pytest.raises(ValueError):
        unseal_address("session", sealed)
    settings.SECRET_KEY_FALLBACKS = ["old key"]
    assert unseal_address("session", sealed) == HERE
