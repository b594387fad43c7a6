"""Inquiries of services that answer, fail or hang."""

from __future__ import annotations

import anyio
import pytest

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.exceptions import ServiceAway
from tests.bulkheads.clocks import Clock

pytestmark = pytest.mark.anyio

logger = FaultLog("mcp_django.tests")


class Played:
    """A service that answers, fails or hangs, as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.hangs:
            await anyio.sleep_forever()
        if self.error is not None:
            raise self.error
        return "answer"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Service:
    return Service(
        "the cache 'default'",
        "sessions are refused",
        shown_as="the site's cache",
        timeout=lambda: 0.01,
        faults=(OSError,),
        logger=logger,
        clock=clock,
    )


@pytest.fixture
def played() -> Played:
    return Played()


async def test_what_fails_is_refused_and_asked_again(
    service: Service, played: Played
) -> None:
    """Chosen: a failure comes at once, so that nothing is gained by not asking."""
    played.error = ConnectionError("refused")
    for _ in range(2):
        with pytest.raises(ServiceAway) as caught:
            await service.ask(played)
        assert caught.value.message == (
            "the site's cache does not answer; try again in 5 seconds"
        )
    assert played.asked == 2

    played.error = None
    assert await service.ask(played) == "answer"


async def test_what_is_no_fault_is_an_answer(service: Service, played: Played) -> None:
    """Chosen: such as that credentials are wrong."""
    played.error = ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await service.ask(played)


async def test_what_hangs_is_refused_at_once_until_one_try_is_answered(
    service: Service, played: Played, clock: Clock
) -> None:
    """Chosen: not each request waits for what will not come."""
    played.hangs = True
    for _ in range(3):
        with pytest.raises(ServiceAway):
            await service.ask(played)
    assert played.asked == 1

    clock.now += 5
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_refused, service, played)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(ServiceAway):
            await service.ask(played)
        assert played.asked == 2

    played.hangs = False
    with pytest.raises(ServiceAway):
        await service.ask(played)
    clock.now += 5
    assert await service.ask(played) == "answer"
    assert await service.ask(played) == "answer"


async def test_one_slow_question_is_nobody_elses(
    service: Service, clock: Clock
) -> None:
    """Chosen: nobody can keep a service from others by asking what takes long."""
    slow, quick = Played(), Played()
    slow.hangs = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_refused, service, slow)
        await anyio.wait_all_tasks_blocked()
        clock.now += 0.005
        assert await service.ask(quick) == "answer"

    assert await service.ask(quick) == "answer"


async def _refused(service: Service, played: Played) -> None:
    with pytest.raises(ServiceAway):
        await service.ask(played)


async def test_question_that_is_never_answered_keeps_others_out_for_a_moment_only(
    clock: Clock,
) -> None:
    """Chosen: it may come again and again, and be the one that tries each time."""
    bound = 0.01
    service = Service(
        "the directory",
        "nobody comes in",
        timeout=lambda: bound,
        logger=logger,
        clock=clock,
    )
    never, quick = Played(), Played()
    never.hangs = True
    with pytest.raises(ServiceAway):
        await service.ask(never)
    clock.now += 5
    bound = 5.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_refused, service, never)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(ServiceAway):
            await service.ask(quick)
        clock.now += 1
        assert await service.ask(quick) == "answer"
        assert await service.ask(quick) == "answer"
        tasks.cancel_scope.cancel()


async def test_what_waits_for_something_that_is_away_is_not_said_to_be_away_itself(
    clock: Clock, played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: one line for one fault; it is refused all the same."""
    is_database_away = True
    service = Service(
        "the directory",
        "nobody comes in",
        timeout=lambda: 0.01,
        is_excused=lambda: is_database_away,
        logger=logger,
        clock=clock,
    )
    played.hangs = True
    for _ in range(3):
        with pytest.raises(ServiceAway):
            await service.ask(played)
    assert played.asked == 1
    assert caplog.messages == []

    is_database_away = False
    clock.now += 5
    with pytest.raises(ServiceAway):
        await service.ask(played)
    assert caplog.messages == [
        "the directory does not answer: nobody comes in "
        "(TimeoutError('no answer in 0.01 seconds'))"
    ]


async def test_question_of_before_the_outage_does_not_prolong_it(
    clock: Clock, played: Played
) -> None:
    """Chosen: else it counts as away for seconds after it is back."""
    bound = 0.05
    service = Service(
        "the directory",
        "nobody comes in",
        timeout=lambda: bound,
        logger=logger,
        clock=clock,
    )
    hanging = Played()
    hanging.hangs = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_refused, service, hanging)
        await anyio.wait_all_tasks_blocked()
        bound = 0.01
        clock.now += 1
        await _refused(service, hanging)
        clock.now += 4.9
    clock.now += 0.2
    assert await service.ask(played) == "answer"


async def test_question_that_has_less_time_than_others_says_nothing_of_the_service(
    clock: Clock, played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what is left of a deadline may be too short for anybody to answer."""
    service = Service(
        "the directory",
        "nobody comes in",
        timeout=lambda: 5.0,
        logger=logger,
        clock=clock,
    )
    slow = Played()
    slow.hangs = True
    with pytest.raises(ServiceAway):
        await service.ask(slow, within=0.01)
    assert await service.ask(played) == "answer"
    assert caplog.messages == []
