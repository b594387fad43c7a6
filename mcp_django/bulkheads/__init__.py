"""Keeps what others do from stopping, starving or drowning a worker.

Caches, channel layers, databases, authenticators and permissions are the site's, and
may hang or fail. `services` asks them within a bound, and refuses at once while one is
away; `site_services` are those that run code of the site. `faults` and `databases` tell
by what was raised that something is away, `missing_migrations` that a database lacks a
table, which `admin_views` say. `decisions` are what code of the site says yes or no to,
and `deadlines` end what takes too long; what goes on all the same is `abandoned`.

`threads` are the pools for it, one for each kind of code. They are `fair_threads`,
which run what may hang for ever, and `shortages` tells what holds them.
`lent_threads` are for the async ORM, and each is one of `serial_threads`. What both run
are `calls`, and `task_contexts` are for tasks that outlive what begins them. `strays`
tells what would end more than a request from an error, and
`steps` lets tasks live through it.

What is wrong goes into the log by a `fault_log`, whose `fault_lines` say each kind
once, and then once a minute with a count; `log_values` are escaped. `outages` and
`floods` use it for what others do. `tallies` are what happened, in numbers.

May import `conf` and what stands beside it.
"""
