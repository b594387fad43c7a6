"""Finds the live end of a session, and drives it.

`runner` drives one legacy session over any transport. `registry` finds a session of
this process by its id, `addresses` makes the ids, `intake` hands over what was posted,
`relay` carries it to sessions of other processes, `worker` looks after open streams,
`notices` passes change notices on, `stdio` serves one local client. May import
`server`, `transports`, `protocol`, `auth` and what is below.
"""
