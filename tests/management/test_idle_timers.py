"""Timers of idle connections."""

from mcp_django.management.idle_timers import IdleTimers


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_timer_rings_once_when_its_time_has_come() -> None:
    """Chosen: at the first look after it, and not before."""
    clock, rung = Clock(), list[str]()
    timers = IdleTimers(clock)
    timers.start(60, lambda: rung.append("first"))
    timers.start(70, lambda: rung.append("second"))
    for clock.now, expected in (59.9, []), (60, ["first"]), (99, ["first", "second"]):
        timers.look()
        timers.look()
        assert rung == expected


def test_timer_begins_anew_or_not_at_all() -> None:
    """Chosen: as Twisted's delayed calls do."""
    clock, rung = Clock(), list[str]()
    timers = IdleTimers(clock)
    begun, stopped = (timers.start(60, lambda: rung.append("rung")) for _ in range(2))
    clock.now = 50
    begun.reset(60)
    stopped.cancel()
    stopped.cancel()
    clock.now = 100
    timers.look()
    assert rung == []
    clock.now = 110
    timers.look()
    assert rung == ["rung"]
