"""Drive one HTTP request of Streamable HTTP until its answer.

`calls` are requests with their answer, of which `batches` come several in one post and
take `turns`; `streams` and `resumed_streams` are what a client listens to. `session_id`
is what the ids of legacy sessions say, `session_state` what is kept of these, and
`open_sessions` what is open of them in this worker. `event_store` reads what clients
may come back for: `stored_streams` have it kept by `event_writes`, under `event_keys`,
and `leases` say which process still works on it.

Knows nothing of `sessions`. May import `worker`, `server`, and what is below.
"""
