"""Sessions over Streamable HTTP: what their ids say, and what the cache keeps."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ClientCapabilities, Implementation
from pytest_django import Settings

from mcp_django import Server
from mcp_django.auth.interface import Identity
from mcp_django.exceptions import ErrorAnswer
from mcp_django.exchanges.session_id import (
    MAX_CHARACTERS,
    HTTPSession,
    make_session_id,
    marks_of,
    read_session_id,
    session_in,
)
from mcp_django.exchanges.session_state import (
    CachedState,
    has_ended,
    note_end,
    subscriptions_of,
    wishing,
)
from mcp_django.protocol import versions
from mcp_django.protocol.events import Peer
from mcp_django.server.notices import Notice
from mcp_django.signing import seal
from tests.exchanges.http_sessions import open_session, peer

STOCK = Notice("resource", "shop://stock")
SERVER = Server("shop")
MARKS = marks_of(Identity(User(pk=7), label="token 7", program="application 3"))


# The id -----------------------------------------------------------------------------

capabilities = st.fixed_dictionaries(
    {},
    optional={
        "sampling": st.fixed_dictionaries(
            {}, optional={"tools": st.just({}), "context": st.just({})}
        ),
        "elicitation": st.fixed_dictionaries(
            {}, optional={"form": st.just({}), "url": st.just({})}
        ),
        "roots": st.fixed_dictionaries({}, optional={"listChanged": st.just(True)}),
    },
)


@given(
    version=st.sampled_from(versions.LEGACY),
    owner=st.text(st.characters(codec="ascii"), max_size=40),
    capabilities=capabilities,
)
def test_id_says_what_initialize_settled(
    version: str, owner: str, capabilities: Any
) -> None:
    """Our choice: so nothing has to be kept for a session."""
    given = peer(version, capabilities=capabilities)
    session = read_session_id(make_session_id("shop", owner, given, "abc.def."))
    assert session is not None
    assert session.fingerprint == "abc.def."
    assert (session.server_name, session.owner) == ("shop", owner)
    assert session.peer == given
    # Never later than it was: what an operator ends now was opened before.
    assert time.time() - 60 < session.created <= time.time()


@given(name=st.text(max_size=500), version=st.text(max_size=500))
def test_id_is_short_visible_ascii(name: str, version: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 0x21 to 0x7E."""
    info = Implementation(name=name, version=version)
    everything = {
        "sampling": {"tools": {}, "context": {}},
        "elicitation": {"form": {}, "url": {}},
        "roots": {"listChanged": True},
    }
    declared = ClientCapabilities.model_validate(everything)
    opener = Peer("2025-11-25", info, declared)
    id = make_session_id("s" * 128, "f" * 64, opener, "123456.123456.123456", MARKS)
    assert len(id) <= MAX_CHARACTERS
    assert all("!" <= character <= "~" for character in id)
    session = read_session_id(id)
    assert session is not None
    assert session.marks == MARKS
    assert name.startswith(session.peer.client_info.name)
    assert version.startswith(session.peer.client_info.version)


@pytest.mark.parametrize(
    ("server_name", "owner", "is_found"),
    [("shop", "7", True), ("other", "7", False), ("shop", "8", False)],
)
def test_session_is_of_one_server_and_one_user(
    server_name: str, owner: str, is_found: bool
) -> None:
    """We promise it: to all others there is no such session."""
    headers = {"mcp-session-id": make_session_id("shop", "7", peer())}
    session = session_in(headers, server_name, owner)
    assert (session is not None) is is_found
    assert session_in({}, server_name, owner) is None


def test_ids_differ() -> None:
    """Spec: 2025-11-25 basic/transports: globally unique."""
    keys = {open_session().key for _ in range(100)}
    assert len(keys) == 100


@given(text=st.text(max_size=2000))
def test_no_text_is_taken_for_an_id(text: str) -> None:
    """Our choice: and none raises anything."""
    assert read_session_id(text) is None


@pytest.mark.parametrize("kind", ["session", "ask", "request-state"])
def test_what_was_sealed_for_something_else_is_no_id(kind: str) -> None:
    """Our choice: each kind has a salt of its own."""
    value = ["key", "shop", "7", "2025-11-25", "", "test", "1", 2**40, "abc", ["m"]]
    assert read_session_id(seal(kind, value)) is None
    assert read_session_id(seal("http-session", value)) is not None


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["key"],
        ["key", "shop", "7", "2026-07-28", "", "test", "1", 2**40, "", []],
        ["key", "shop", "7", "2025-11-25", "", "test", "1", 2**40],
        ["key", "shop", "7", "2025-11-25", "", "test", "1", 2**40, ""],
        ["key", "shop", "7", "2025-11-25", "", "test", "1", 2**40, "", [], "more"],
    ],
)
def test_id_of_another_form_is_none(value: Any) -> None:
    """Our choice: such as one of another version of this package."""
    assert read_session_id(seal("http-session", value)) is None


def test_id_expires(settings: Settings) -> None:
    """Our choice: MCP["SESSION_MAX_AGE"], as it is now."""
    id = make_session_id("shop", "7", peer())
    settings.MCP = {"SESSION_MAX_AGE": 1e-9}
    assert read_session_id(id) is None
    settings.MCP = {"SESSION_MAX_AGE": 1000}
    session = read_session_id(id)
    assert session is not None
    assert session.expires == session.created + 1000


@pytest.mark.parametrize("version", versions.LEGACY)
def test_streams_are_primed_from_the_version_that_knows_it(version: str) -> None:
    """Spec: 2025-11-25 changelog: SEP-1699."""
    session = open_session(version=version)
    assert session.primes_streams == (version == "2025-11-25")


# What the cache keeps ---------------------------------------------------------------


async def test_log_level_is_info_until_it_is_set() -> None:
    """Spec: 2025-11-25 server/utilities/logging: the server decides before."""
    session, other = open_session(), open_session()
    assert await CachedState(session, SERVER).read_log_level() == "info"
    state = CachedState(session, SERVER)
    await state.set_log_level("error")
    assert await state.read_log_level() == "error"
    assert await CachedState(session, SERVER).read_log_level() == "error"
    assert await CachedState(other, SERVER).read_log_level() == "info"


async def test_log_level_is_read_once_for_a_request() -> None:
    """Our choice: a handler that logs much asks the cache once."""
    session = open_session()
    state = CachedState(session, SERVER)
    await state.read_log_level()
    await CachedState(session, SERVER).set_log_level("error")
    assert await state.read_log_level() == "info"


async def test_of_a_session_that_has_ended_only_that_is_kept(
    settings: Settings,
) -> None:
    """Our choice: nothing else is of use; its id could be sent for days."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "ended",
        }
    }
    session, other = open_session(), open_session()
    for each in (session, other):
        state = CachedState(each, SERVER)
        await state.set_log_level("error")
        for uri in ("shop://stock", "shop://STOCK", "shop://gone", "shop://terms"):
            await state.subscribe(uri)
        await state.unsubscribe("shop://gone")
    kept = keys_of(other)
    await note_end(session)
    await CachedState(session, SERVER).subscribe("shop://stock")  # it was under way
    assert keys_of(session) == [f"mcp_django:{session.key}:ended"]
    assert keys_of(other) == kept
    assert await has_ended(session)
    assert not await has_ended(other)


def keys_of(session: HTTPSession) -> list[str]:
    """Give the keys of all that is kept of a session in the cache in memory."""
    stored: dict[str, Any] = caches["default"]._cache  # type: ignore[attr-defined]
    names = [key.removeprefix(":1:") for key in stored]
    return [name for name in names if name.startswith(f"mcp_django:{session.key}:")]


async def test_log_level_is_info_while_the_cache_is_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a handler that only has something to say does not fail for it."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    assert await CachedState(open_session(), SERVER).read_log_level() == "info"
    assert len(caplog.messages) == 1  # of the cache


async def test_subscriptions_are_wishes_to_be_told() -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    session, other = open_session(), open_session()
    keys = [session.key, other.key]
    await CachedState(session, SERVER).subscribe("shop://stock")
    await CachedState(session, SERVER).subscribe("shop://other")
    assert await wishing(SERVER, keys, STOCK) == {session.key: [STOCK]}
    await CachedState(session, SERVER).unsubscribe("shop://stock")
    await CachedState(session, SERVER).unsubscribe("shop://stock")
    assert await wishing(SERVER, keys, STOCK) == {}
    assert set(await wishing(SERVER, keys, Notice("resource", "shop://other"))) == {
        session.key
    }


async def test_subscriptions_are_listed_as_they_were_written() -> None:
    """Our choice: for a client that missed what is not known."""
    session, other = open_session(), open_session()
    assert await subscriptions_of(session) == []
    for number in (3, 1, 2, 1):
        await CachedState(session, SERVER).subscribe(f"shop://orders/{number}")
    await CachedState(other, SERVER).subscribe("shop://stock")
    await CachedState(session, SERVER).unsubscribe("shop://orders/1")
    assert await subscriptions_of(session) == ["shop://orders/3", "shop://orders/2"]
    await CachedState(session, SERVER).subscribe("shop://orders/1")
    assert await subscriptions_of(session) == [
        "shop://orders/3",
        "shop://orders/1",
        "shop://orders/2",
    ]


async def test_subscription_is_found_however_its_uri_is_written() -> None:
    """RFC 3986, section 6.2.2; and the client is told in its own words."""
    session = open_session()
    state = CachedState(session, SERVER)
    for uri in ("shop://a~b", "SHOP://a%7eb"):
        await state.subscribe(uri)
    told = await wishing(SERVER, [session.key], Notice("resource", "shop://a%7Eb"))
    assert told == {
        session.key: [
            Notice("resource", "shop://a~b"),
            Notice("resource", "SHOP://a%7eb"),
        ]
    }
    await state.unsubscribe("shop://a~b")
    assert await subscriptions_of(session) == ["SHOP://a%7eb"]
    await state.unsubscribe("shop://a%7Eb")
    assert await wishing(SERVER, [session.key], Notice("resource", "shop://a~b")) == {}


async def test_ways_to_write_one_uri_are_limited() -> None:
    """Our choice: what is kept of one resource is bounded."""
    session = open_session()
    state = CachedState(session, SERVER)
    for number in range(103):
        await state.subscribe(f"shop://x/{'./' * number}a")
    written = await subscriptions_of(session)
    assert (len(written), written[0]) == (100, "shop://x/./././a")


async def test_subscriptions_of_a_session_are_bounded(settings: Settings) -> None:
    """We promise it: MCP["MAX_SUBSCRIPTIONS"], also of who subscribes and unsubscribes
    all the time; what was there stays."""
    settings.MCP = {"MAX_SUBSCRIPTIONS": 3}
    session, other = open_session(), open_session()
    state = CachedState(session, SERVER)
    for number in (1, 2):
        await state.subscribe(f"shop://{number}")
    for number in range(10, 20):
        await state.subscribe(f"shop://{number}")
        await state.unsubscribe(f"shop://{number}")
    await state.subscribe("shop://3")
    for uri in ("shop://4", "shop://5"):
        with pytest.raises(ErrorAnswer) as refused:
            await state.subscribe(uri)
        assert refused.value.message == "too many subscriptions; 3 are allowed"
    await state.subscribe("shop://1")  # it is there already
    assert sorted(await subscriptions_of(session)) == [f"shop://{n}" for n in (1, 2, 3)]
    await state.unsubscribe("shop://2")
    await state.subscribe("shop://4")
    assert sorted(await subscriptions_of(session)) == [f"shop://{n}" for n in (1, 3, 4)]
    assert await wishing(SERVER, [session.key], Notice("resource", "shop://5")) == {}
    await CachedState(other, SERVER).subscribe("shop://5")


async def test_everybody_wishes_to_hear_of_lists() -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification"."""
    keys = [open_session().key for _ in range(2)]
    for topic in ("tools", "resources", "prompts"):
        assert await wishing(SERVER, keys, Notice(topic)) == {
            key: [Notice(topic)] for key in keys
        }
    assert await wishing(SERVER, [], Notice("tools")) == {}


async def test_visit_is_told_to_whoever_was_asked_for_it() -> None:
    """Spec: 2025-11-25 client/elicitation, "Completion Notifications"."""
    session, other = open_session(), open_session()
    await CachedState(session, SERVER).remember_elicitation("pay-1")
    keys = [session.key, other.key]
    assert set(await wishing(SERVER, keys, Notice("elicitation", "pay-1"))) == {
        session.key
    }
    assert await wishing(SERVER, keys, Notice("resource", "pay-1")) == {}


@pytest.mark.parametrize("uri", ["a b\x00\n\u00e9", "x" * 8000])
async def test_any_uri_makes_a_key_that_caches_take(uri: str) -> None:
    """Our choice: memcached takes neither blanks nor long keys; warnings are errors
    here."""
    session = open_session()
    await CachedState(session, SERVER).subscribe(uri)
    assert set(await wishing(SERVER, [session.key], Notice("resource", uri))) == {
        session.key
    }


async def test_uri_that_is_too_long_is_refused() -> None:
    """Our choice: as on other connections."""
    with pytest.raises(ErrorAnswer):
        await CachedState(open_session(), SERVER).subscribe("x" * 8001)


async def test_end_of_a_session_is_kept() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"."""
    session, other = open_session(), open_session()
    assert not await has_ended(session)
    await note_end(session)
    assert await has_ended(session)
    assert not await has_ended(other)


async def test_what_is_kept_is_in_the_cache_that_the_setting_names(
    settings: Settings,
) -> None:
    """Our choice: MCP["CACHE"]."""
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        alias: {"BACKEND": backend, "LOCATION": alias} for alias in ("default", "mcp")
    }
    settings.MCP = {"CACHE": "mcp"}
    session = open_session()
    await note_end(session)
    caches["default"].clear()
    assert await has_ended(session)
    caches["mcp"].clear()
    assert not await has_ended(session)
