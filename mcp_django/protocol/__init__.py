"""Decides: messages in, events out. No I/O, no clock, no Django.

`jsonrpc` turns bytes into checked messages and back. `versions` knows what each
protocol version may carry. `legacy` and `modern` are the server's halves of the two
eras, `server` is both on one connection; `receive` answers with one of the `events`.
`in_flight` and `faults` are what the eras share.
May import `mcp_django.exceptions` only.
"""
