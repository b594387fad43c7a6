"""Use other MCP servers: what is done over one connection, and `Client` on top.

`client` is what developers write with, by its `options`, `sync` the same without
`await`, and `pairs` for programs of others. `connecting` finds a transport and
`handshake` a version, `connection` drives the protocol over a transport, `reconnecting`
opens it anew, `observers` see what is sent, `requests` goes in rounds and pages, and
comes back `later` to a server that has no time. `tools` are called, `reading` reads
results, and `output` checks them. `questions` are what servers ask, and `answers` what
they are answered; `subscriptions` hears of `changes`, `notices` of the rest. `clock`
bounds a request, and in `waiting` threads work for an event loop; `oauth` logs in.
May import `mcp_django.transports`, `mcp_django.protocol` and `mcp_django.exceptions`.
"""
