"""Decides: messages in, events out. No I/O, no clock, no Django.

`jsonrpc` turns bytes into checked messages and back. `methods` has a row for each
method, `versions` knows what each protocol version may carry, and `eras` how each era
wants to be answered. `legacy` and `modern` are the server's halves of the two eras,
`server` is both on one connection; `receive` answers with one of the `events`. What
clients say of themselves in the legacy era, `initialize` reads.
`pending_requests`, `error_codes`, `log_levels` and `faults` are what they share.
`client` is the client's half, with `input_rounds` of questions and a `result_cache`;
`subscriptions` is what a client is told of changes. `models` reads what peers send,
`uris` tells which name the same, `scopes` what may name one, `http_headers` what the
headers of a post say, `http_statuses` what a refusal of one is, and `price` how many
tokens a feature costs a model. `foreign_schemas` checks values by schemas of others:
`compiled_schemas`, which `schema_compiler` makes of `compiled_parts`, where they are
plain, else `counted_schemas`. May import `mcp_django.exceptions` only.
"""
