"""Decides: messages in, events out. No I/O, no clock, no Django.

`jsonrpc` turns bytes into checked messages and back. `versions` knows what each
protocol version may carry. `legacy` and `modern` are the server's halves of the two
eras, `server` is both on one connection; `receive` answers with one of the `events`.
`in_flight` and `faults` are what the eras share. `client` is the client's half, with
`rounds` of questions and `caching` of results. `models` reads what peers send, and
`uris` tells which name the same. `foreign_schemas` checks values by schemas of others:
`compiled_schemas`, made of `compiled_parts`, where they are plain, else
`counted_schemas`. May import `mcp_django.exceptions` only.
"""
