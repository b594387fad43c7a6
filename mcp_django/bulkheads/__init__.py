"""Keeps what others do from stopping, starving or drowning a worker.

Caches, channel layers, databases, authenticators and permissions are the site's, and
may hang or fail. `services` asks them within a bound, and refuses at once while one is
away; `outages` says in the log what fails, without a flood; `threads` run what may hang
for ever; `lent_threads` are for the async ORM; `strays` tells what they raise from the
end of the task that runs them. May import `conf` and what stands beside it.
"""
