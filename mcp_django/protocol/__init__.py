"""Decides: messages in, events out. No I/O, no clock, no Django.

`jsonrpc` turns bytes into checked messages and back. `versions` knows what each
protocol version may carry. `legacy` and `modern` are the server's halves of the two
eras, `server` is both on one connection; `receive` answers with one of the `events`.
`pending_requests` and `faults` are what the eras share. `client` is the client's half,
with `input_rounds` of questions and `caching` of results. `models` reads what peers
send, `uris` tells which name the same, and `http_headers` what the headers of a post
say. `foreign_schemas` checks values by schemas of others: `compiled_schemas`, made of
`compiled_parts`, where they are plain, else `counted_schemas`. May import
`mcp_django.exceptions` only.
"""
