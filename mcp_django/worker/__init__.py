"""One process with its event loop, and its line to the others.

`worker` has all `connections`, and `upkeep` looks after them: `rechecks` of credentials
and of `subscribers`; `making_way` is for one stream more, and `ages` say which are old.
`kept_identities` need not be asked about again. Handlers run in its `tasks`. `shutdown`
ends it, and `ending` is what still runs then; `thread_loop` is the event loop of one
under WSGI. `caches` asks the site's caches, `channel_layers` its channel layer, and
`rates` counts the requests of each user.
`collector` spares what is loaded from Python's garbage collector, and what is done for
many goes in `lots`.

By `asking` operators ask every worker something, and `operated` answers it there;
`operator_ends` is what they end, and `listed` what is told of each connection.

Over that, `relay` is the line to other workers, with a `mailbox` of one's own. By
`handover` single ones take a message and say in an `acknowledgement` what its POST is
answered; `addresses` say whose mailbox it is for, and a `send_queue` has what waits for
it, and `clocks` knows of whom a deadline cannot be believed. `telling` tells all of
them, and `hearing` hears each thing once. `notices` passes changes on that way, and to
the `listeners` in this worker, by a `notice_queue` each.

What sessions and exchanges keep in each worker are parts of it (`Worker.part`), which
register for what they want to hear of: the worker knows neither. Apps have parts made
in each from the start (`worker.make_in_every_worker`). May import `server`,
`transports`, `protocol`, `auth` and what is below.
"""

from mcp_django.worker.worker import current_worker

__all__ = ["current_worker"]
