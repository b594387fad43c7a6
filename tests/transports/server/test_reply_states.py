"""The states of a reply, and what follows what."""

from mcp_django.transports.server import reply_states
from mcp_django.transports.server.reply_states import TABLE, State

NOT_DRAWN = {"send", "pass_on", "tick"}
"""They change no state themselves."""


def test_picture_shows_what_the_table_says() -> None:
    """Chosen: the code goes by the table, and people by the picture."""
    _, picture, _ = (reply_states.__doc__ or "").split("\n\n", 3)[1:]
    head, *rows = [line.split() for line in picture.splitlines()]
    drawn = {
        State[name]: {
            happening: State[name if cell == "." else cell]
            for happening, cell in zip(head, cells, strict=True)
        }
        for name, *cells in rows
    }
    assert drawn == {
        state: {
            happening: TABLE[state][happening][1]
            if happening in TABLE[state]
            else state
            for happening in head
        }
        for state in State
    }


def test_what_is_not_drawn_changes_no_state() -> None:
    """Chosen: a message, an event and a second go by do not; what they begin does."""
    for state, steps in TABLE.items():
        assert {steps[name][1] for name in NOT_DRAWN & set(steps)} <= {state}
