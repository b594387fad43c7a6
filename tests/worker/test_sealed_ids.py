"""Session ids."""

import pytest

from mcp_django.signing import seal
from mcp_django.worker.sealed_ids import mailbox_of, make_session_id


@pytest.mark.parametrize("mailbox", ["", "mailbox", "specific.abc!defghij"])
def test_id_names_the_mailbox_of_its_worker(mailbox: str) -> None:
    """Our choice: any worker finds the session, and nothing has to be stored."""
    assert mailbox_of(make_session_id(mailbox)) == mailbox


def test_ids_are_never_the_same() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": globally unique."""
    ids = {make_session_id("mailbox") for _ in range(1000)}
    assert len(ids) == 1000


def test_id_is_safe_in_urls_and_headers() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": visible ASCII."""
    safe = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
    for _ in range(100):
        assert set(make_session_id("specific.abc!defghij")) <= safe


def test_id_that_was_changed_is_none() -> None:
    """Our choice: signed, so that nobody sends messages to a channel of his own."""
    session_id = make_session_id("mailbox")
    for position in range(len(session_id)):
        other = "A" if session_id[position] != "A" else "B"
        changed = session_id[:position] + other + session_id[position + 1 :]
        with pytest.raises(ValueError, match=r"^no sealed session"):
            mailbox_of(changed)


@pytest.mark.parametrize(
    "session_id",
    [
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
    ],
)
def test_what_is_no_id_is_refused(session_id: str) -> None:
    """Our choice: whatever a client sends."""
    with pytest.raises(ValueError):
        mailbox_of(session_id)


def test_id_stays_good_while_the_key_is_rotated(settings: object) -> None:
    """Our choice: `SECRET_KEY_FALLBACKS`, as everywhere in Django."""
    settings.SECRET_KEY = "old key"  # type: ignore[attr-defined]
    session_id = make_session_id("mailbox")
    settings.SECRET_KEY = "new key"  # type: ignore[attr-defined]
    with pytest.raises(ValueError):
        mailbox_of(session_id)
    settings.SECRET_KEY_FALLBACKS = ["old key"]  # type: ignore[attr-defined]
    assert mailbox_of(session_id) == "mailbox"
