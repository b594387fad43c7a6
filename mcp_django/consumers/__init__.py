"""Connect: Channels consumers, one for each connection, behind one gate.

`exchange` is an HTTP request as ASGI has it, `gate` decides who comes in, `sse` and
`messages` are the two URLs of HTTP+SSE. May import `sessions` and what is below.
"""
