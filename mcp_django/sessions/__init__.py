"""Drive a connection that stays: what one client does over it, until it ends.

`session` goes from messages to handlers and back, over any two-way transport. Its parts
are the `room` for requests that run and wait, the `questions` of handlers, the
`subscriptions` of the client, and the `session_state` that the client set. `serving` is
all that takes, `stdio` the same for a local client. `held` is a session with its
open connection; `registry` finds one of this worker by its id, and `posting` hands over
what was posted to it, to this worker or another one.

Knows nothing of `exchanges`. May import `worker`, `server`, and what is below.
"""

from mcp_django.sessions.serving import serve
from mcp_django.sessions.session import Session

__all__ = ["Session", "serve"]
