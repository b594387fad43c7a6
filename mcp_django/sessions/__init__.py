"""Finds the live end of a session, and drives it.

`runner` drives what one client does over any two-way transport; `serving` is all that
takes, `stdio` the same for a local client. `held` is such a session with its open
connection; `registry` finds one of this process by its id, `addresses` makes the ids,
`intake` hands over what was posted. `answering` runs a handler to its answer, in one of
the `tasks`, with one of the `contexts`; `asking` asks the client meanwhile, and
`handled` tells receivers of it.

Over Streamable HTTP `exchanges` are the calls, of which `batches` come several in one
and take `turns`; `notice_streams` and `resumed_streams` are its other streams.
`http_sessions` is what session ids say, `session_state` what is kept of them,
`http_registry` what is open of them. `event_store` has what clients may come back for:
`event_writes` keep it, `leases` say who still works on it.

`worker` looks after all `connections`: `rechecks` of credentials and of `subscribers`,
with `users` as they are now, `making_way` for one stream more. `shutdown` ends it, and
`ending` is what still runs then. `caching` asks the site's caches, `channel_layers` its
channel layer. Over that, `relay` is the way to sessions of other workers: an `outbox`
for each, a `mailbox` of one's own. `telling` tells all of them. `notices` passes
changes on that way, and to the clients of this worker: `local_notices`, by a
`notice_queue` for each.

May import `server`, `transports`, `protocol`, `auth` and what is below.
"""
