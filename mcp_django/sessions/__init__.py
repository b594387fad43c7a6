"""Finds the live end of a session, and drives it.

`runner` drives one legacy session over any transport. `registry` finds a session of
this process by its id, `addresses` makes the ids, `relay` carries messages to sessions
of other processes, `upkeep` looks after open streams, `notices` passes change notices
on. May import `server`, `transports`, `protocol`, `auth` and what is below.
"""
