"""For how long a peer has taken nothing."""

from mcp_django.transports.server.flow_control import Flow, Uptake


class Path(Flow):
    """A path that passes what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.unread = False

    @property
    def has_unread(self) -> bool:
        return self.unread

    def progress(self) -> object:
        return self.taken


def test_time_counts_while_nothing_is_taken() -> None:
    """We promise it: what is taken sets it back, and nothing unread is no time."""
    path, now = Path(), [1000.0]
    uptake = Uptake(path, lambda: now[0])
    path.unread = True
    assert uptake.look() == 0.0  # nothing was sent
    uptake.is_pending = True
    seconds = []
    for taken in (0, 0, 0, 5, 5):
        path.taken = taken
        seconds.append(uptake.look())
        now[0] += 10.0
    assert seconds == [0.0, 10.0, 20.0, 0.0, 10.0]
    assert uptake.seconds == 10.0
    path.unread = False
    assert (uptake.look(), uptake.seconds) == (0.0, 0.0)


def test_where_the_server_cannot_tell_nothing_is_unread() -> None:
    """Chosen: no client is cut off for what is not known."""
    uptake = Uptake(Flow())
    uptake.is_pending = True
    assert uptake.look() == 0.0
