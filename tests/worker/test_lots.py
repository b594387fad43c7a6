"""Going over what is open, some at a time."""

import asyncio

from mcp_django.worker.lots import in_lots


async def test_all_are_given_in_order() -> None:
    """Our choice."""
    things = range(1050)
    assert [thing async for some in in_lots(things) for thing in some] == list(things)
    assert [some async for some in in_lots(range(0))] == []


async def test_others_have_the_event_loop_in_between() -> None:
    """We promise it: however many there are."""
    done: list[str] = []

    async def go_over() -> None:
        async for some in in_lots(range(1000)):
            done.append(f"{len(some)}")

    task = asyncio.create_task(go_over())
    while not task.done():
        done.append("other")
        await asyncio.sleep(0)
    assert done[:5] == ["other", "100", "other", "100", "other"]
    assert done.count("100") == 10


async def test_what_changes_meanwhile_changes_nothing() -> None:
    """Our choice: connections come and go."""
    things = dict.fromkeys(range(300))
    found: list[int] = []
    async for some in in_lots(things):
        found += some
        things.pop(250, None)
        things[300] = None
    assert found == list(range(300))
