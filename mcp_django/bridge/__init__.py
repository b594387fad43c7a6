"""Join a client behind one transport to a server behind another, whatever they speak.

`bridge` takes the messages of the client, `remote_server` reaches the server. Each of
the `running_requests` is answered in a task of its own: `requests` passes it on,
`calls` one that may ask, `asking` what it asks, `changes` what is listened to;
`results` writes each result for the version of the client that gets it. `send_queue`
and `queues` keep messages in order. May import `mcp_django.client`,
`mcp_django.transports`, `mcp_django.protocol` and `mcp_django.exceptions`.
"""
