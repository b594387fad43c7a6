"""One process with its event loop, and its line to the others.

`worker` looks after all `connections`: `rechecks` of credentials and of `subscribers`,
with `users` as they are now, `making_way` for one stream more. Handlers run in its
`tasks`. `shutdown` ends it, and `ending` is what still runs then. `caches` asks the
site's caches, `channel_layers` its channel layer.

Over that, `relay` is the way to other workers: a `send_queue` for each, a `mailbox` of
one's own, and `sealed_ids` that say whose mailbox it is. `telling` tells all of them.
`notices` passes changes on that way, and `local_notices` to the clients of this worker,
by a `notice_queue` for each.

May import `server`, `transports`, `protocol`, `auth` and what is below.
"""
