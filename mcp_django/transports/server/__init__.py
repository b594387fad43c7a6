"""The server's halves of the bindings: `sse`, `stdio`, `streamable_http`, `websocket`.

`flow_control`, `owed_answers` and `unread` are what these know of clients that read
slowly; `refusals` say why an HTTP request is not taken. Needs neither `httpx2` nor
`websockets`, and may not import them.
"""
