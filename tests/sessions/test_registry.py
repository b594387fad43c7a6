"""The open sessions of one worker."""

import pytest
from django.contrib.auth.models import User

from mcp_django.server.server import Server
from mcp_django.sessions.registry import Registry
from tests.sessions.opening import open_session

SERVER = Server("shop")
ADA, BOB = User(pk=1, username="ada"), User(pk=2, username="bob")


def test_session_is_found_by_its_id_until_it_is_removed() -> None:
    """Our choice: an id is worth nothing once its stream has ended."""
    registry = Registry()
    one, other = open_session("one", SERVER), open_session("other", SERVER)
    registry.add(one)
    registry.add(other)
    assert (registry.find("one"), registry.find("other")) == (one, other)
    assert registry.find("third") is None
    assert (len(registry), list(registry)) == (2, [one, other])
    registry.remove(one)
    assert registry.find("one") is None
    assert (len(registry), list(registry)) == (1, [other])
    with pytest.raises(KeyError):
        registry.remove(one)


def test_sessions_may_end_while_they_are_looked_at() -> None:
    """Our choice: what closes one need not make a list first."""
    registry = Registry()
    for number in range(3):
        registry.add(open_session(str(number), SERVER))
    for opened in registry:
        registry.remove(opened)
    assert len(registry) == 0


def test_session_belongs_to_one_user_of_one_server() -> None:
    """Our choice: any other user is answered as for an unknown id."""
    opened = open_session("one", SERVER, user=ADA)
    assert opened.belongs_to("shop", "1")
    assert not opened.belongs_to("shop", "2")
    assert not opened.belongs_to("shop", "")
    assert not opened.belongs_to("other", "1")
