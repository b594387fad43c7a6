"""Switches: features that are off for every user, without a restart.

`models` is what is kept, in the site's database, so that neither a restart nor an
empty cache switches anything on. `switching` is how code of the site does it,
`manage.py mcp_switch` and `admin` how people do; `named` knows what may be meant.
`keeper` knows in each process what is off, which `reading` has read in each worker, and
`notices` tell clients of changes.

May import `operations` and all of the server half. Start reading at `keeper`.
"""
