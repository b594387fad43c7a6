"""Join a client behind one transport to a server behind another, whatever they speak.

`bridge` takes the messages of the client, `remote_server` reaches the server;
`requests` passes requests on, `calls` those that may ask, `asking` what they ask,
`changes` what is listened to; `results` writes each result for the version of the
client that gets it. `send_queue` and `queues` keep messages in order. May import
`mcp_django.client`, `mcp_django.transports`, `mcp_django.protocol` and
`mcp_django.exceptions`.
"""
