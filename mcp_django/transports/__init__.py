"""Carry messages to and from one peer, each kind of connection in its own way.

`base` is the interface, and `streams` shows any transport as a pair of anyio streams,
`stream_pair` the other way round. Each binding has a file for each half:

=================  ===================  ==============================================
binding            server               client
=================  ===================  ==============================================
in memory          `memory`             the same
bytes, in lines    `byte_stream`        the same; `lines` is what they share with stdio
stdio              `stdio`              `stdio_client`, `child_process`
HTTP+SSE           `sse`                `sse_client`
Streamable HTTP    `streamable_http`    `streamable_http_client`; of that, `_exchange`
                                        is one request, `_listening` the standalone
                                        stream, and `_eras` says what differs
WebSocket          `websocket`          `websocket_client`, `websocket_handshake`
=================  ===================  ==============================================

The clients' halves are in files of their own because they need `httpx2` or
`websockets`, which a server does not. What they share over HTTP is in `http_client`,
`http_client_transport` and `http_failures`. Pure are `event_stream`, `http_headers` and
`tool_headers`; `flow`, `owed` and `unread` are what is known of slow readers. May
import `mcp_django.protocol`, `mcp_django.bulkheads` and `mcp_django.exceptions`.
"""
