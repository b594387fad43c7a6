"""Decides: messages in, events out. No I/O, no clock, no Django.

`jsonrpc` turns bytes into checked messages and back. `versions` knows what each
protocol version may carry. `legacy` is the server's half of the handshake era; its
`receive` answers with one of the `events`. May import `mcp_django.exceptions` only.
"""
