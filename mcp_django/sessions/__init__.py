"""Finds the live end of a session, and drives it.

`runner` drives what one client does over any transport. `registry` finds a session of
this process by its id, `addresses` makes the ids, `intake` hands over what was posted,
`relay` carries it to sessions of other processes, `worker` looks after open streams,
`notices` passes change notices on, `serving` serves one client over any transport,
`stdio` a local one. May import `server`, `transports`, `protocol`, `auth` and what is
below.
"""
