"""All kinds of clients: functions that each are one round of a client's life.

It connects, asks, and goes.
"""

from __future__ import annotations

from tests.cluster.soak.connections import call_over_sse, call_over_websocket
from tests.cluster.soak.sessions import (
    answer_in_session,
    call_in_batches,
    call_in_session,
    cancel_in_session,
    listen_in_session,
    stream_in_session,
)
from tests.cluster.soak.stateless import (
    answer_modern,
    call_modern,
    change,
    flood,
    listen_modern,
    read_slowly,
)

KINDS = (
    *(call_modern, call_in_session, call_over_sse, call_over_websocket) * 2,
    *(answer_modern, answer_in_session, stream_in_session, cancel_in_session) * 2,
    *(listen_modern, listen_in_session) * 3,
    *(call_in_batches, flood, read_slowly, change),
)
"""Who lives beside each other."""
