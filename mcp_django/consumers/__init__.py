"""Connect: Channels consumers, one for each connection, behind one gate.

`applications` says which consumer answers at which endpoint. `streamable_http` and
`websocket` answer at the same URL, `sse` and `messages` at the two of HTTP+SSE,
`well_known` at the site's root.

`http` is the outermost callable of those over HTTP, `exchange` an HTTP request as ASGI
has it, `handshake` one that opens a WebSocket. `gate` decides which requests come in,
by `origins`, `cors` and `https`; `languages` are those that a URL names. `long_lived`
is what the consumers of connections that stay share, `slow_reader` what waits for its
reader. `lifespan` hears of the start and the end of the process. `daphne` is what
Daphne does not tell applications, and `wsgi` tells of a request over WSGI as ASGI
would.

May import `sessions`, `exchanges` and what is below.
"""
