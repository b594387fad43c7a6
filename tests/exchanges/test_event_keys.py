"""Ids of events, as clients name them."""

import pytest

from mcp_django.exchanges.event_keys import (
    Kind,
    event_id,
    kind_of,
    new_stream_name,
    parse_event_id,
)


@pytest.mark.parametrize("kind", ["call", "standalone"])
def test_id_of_an_event_can_be_read(kind: Kind) -> None:
    """Our choice: it also says of what kind its stream is."""
    name = new_stream_name(kind)
    id = event_id(name, 7)
    assert parse_event_id(id) == (name, 7)
    assert kind_of(id) == kind


@pytest.mark.parametrize("id", ["", "s", "s.", "s.-1", "x.abc-1", "abc-1", "s.a b-1"])
def test_text_that_is_no_id_of_ours_is_of_no_kind(id: str) -> None:
    """Our choice."""
    assert kind_of(id) is None
