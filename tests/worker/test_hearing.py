"""What a worker hears that others tell."""

import pytest

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.hearing import Hearer
from tests.fault_lines import more, said
from tests.worker.layers import until

ONE: JSONObject = {"kind": "cancel", "id": 1}
TWO: JSONObject = {"kind": "cancel", "id": 2}

NOT_HEARD = (
    "a message in which another worker told of changes, cancellations or ends of "
    'sessions did not arrive; raise the "capacity" of the channel layer if this goes on'
)


def make_hearer(heard: list[JSONObject], events: list[str]) -> Hearer:
    return Hearer(
        on_told=heard.append,
        on_late=lambda: events.append("late"),
        on_lost=lambda: events.append("lost"),
        grace_seconds=0.05,
    )


async def assert_one_is_lost(
    hearer: Hearer, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Lose one message of another worker, and nothing else."""
    hearer.hear_number("another", 1)
    hearer.hear_number("another", 2)
    await until(lambda: "lost" in events)
    assert said(caplog) == [NOT_HEARD]


async def test_gap_that_is_filled_is_late_and_not_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: a worker told late looks whether it is still in the group."""
    heard: list[JSONObject] = []
    events: list[str] = []
    hearer = make_hearer(heard, events)
    hearer.hear("a", 1, [ONE])
    hearer.hear("a", 3, [])
    hearer.hear_again("a", [[1, [ONE]], [2, [TWO]], [3, []]])
    assert (heard, events) == ([ONE, TWO], ["late"])
    await assert_one_is_lost(hearer, events, caplog)


@pytest.mark.parametrize("by_heartbeat", [True, False])
async def test_gap_that_stays_is_counted(
    by_heartbeat: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: in one line, and what can be read again is."""
    heard: list[JSONObject] = []
    events: list[str] = []
    hearer = make_hearer(heard, events)
    hearer.hear("a", 1, [ONE])
    if by_heartbeat:
        hearer.hear_number("a", 3)
    else:
        hearer.hear("a", 4, [TWO])
    await until(lambda: bool(events))
    assert events == ["lost"]
    assert said(caplog) == [NOT_HEARD + more(1)]


async def test_what_was_told_before_is_not_missed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: a worker that has just begun has lost nothing."""
    heard: list[JSONObject] = []
    events: list[str] = []
    hearer = make_hearer(heard, events)
    hearer.hear_number("a", 500)
    hearer.hear("b", 7, [ONE])
    hearer.hear_again("b", [[6, [TWO]]])
    assert (heard, events) == ([ONE, TWO], ["late"])
    await assert_one_is_lost(hearer, events, caplog)


async def test_programs_that_are_no_workers_are_heard_each_time() -> None:
    """Our choice: a command tells once, and numbers nothing."""
    heard: list[JSONObject] = []
    hearer = make_hearer(heard, [])
    hearer.hear("", 0, [ONE])
    hearer.hear("", 0, [ONE])
    assert heard == [ONE, ONE]
