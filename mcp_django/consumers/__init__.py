"""Connect: Channels consumers, one for each connection, behind one gate.

`exchange` is an HTTP request as ASGI has it, `handshake` one that opens a WebSocket,
`gate` decides who comes in. `streamable_http` and `websocket` answer at the same URL,
`sse` and `messages` at the two of HTTP+SSE; `holding` is what those that stay open
share, `paced` what waits for its reader. `daphne` is what Daphne does not tell
applications. May import `sessions` and what is below.
"""
