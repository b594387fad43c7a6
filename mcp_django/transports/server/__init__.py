"""The server's halves of the bindings: `sse`, `stdio`, `streamable_http`, `websocket`.

Of Streamable HTTP, `reply_states` is the table that a reply goes by, `reply_events` are
what it sends, which an `event_log` may keep, and `collected_answers` those of a batch;
`http_response` is how it is written, and `refusals` say why a request is not taken.
`flow_control`, `owed_answers` and `unread` are what is known of clients that read
slowly. Needs neither of the libraries of the clients' halves, and may not import them.
"""
