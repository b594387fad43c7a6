"""The client's halves of the bindings: `sse`, `stdio`, `streamable_http`, `websocket`.

They alone need httpx2 and websockets, which the extra `client` brings: nothing but
`http_library` and `websocket_library` imports these, as `extras`. What they share over
HTTP is in `http`, `http_transport`, `http_environment` and `http_failures`; `http_auth`
is what it tells an `auth` object.
`sse_stream` is the stream of one session. Of Streamable HTTP,
`streamable_http_exchange` is one request, `streamable_http_listening` the standalone
stream, and `streamable_http_eras` says what differs; `tool_headers` is pure.
`websocket_handshake` becomes a WebSocket, and `child_process` is what `stdio` starts.
"""
