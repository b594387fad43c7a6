"""Finds the live end of a session, and drives it.

`runner` drives what one client does over any two-way transport; `serving` is all that
takes, `stdio` the same for a local client. `registry` finds a session of this process
by its id, `addresses` makes the ids, `intake` hands over what was posted. `exchanges`
are the calls of Streamable HTTP, `notice_streams` its other streams, `http_sessions`
what its session ids say, `session_state` what is kept of them, `http_registry` what is
open of them, `event_store` what clients may come back for, which `event_writes` keeps.
`caching` asks the site's caches. `answering` runs a handler to its answer, `asking`
asks the client meanwhile. `relay` is the way to other processes, `worker` looks after
all `connections`, `notices` passes changes on. May import `server`, `transports`,
`protocol`, `auth` and what is below.
"""
