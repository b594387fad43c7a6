"""Drive one HTTP request of Streamable HTTP until its answer.

`calls` are requests with their answer, of which `batches` come several in one post and
take `turns`; `streams` and `resumed_streams` are what a client listens to. `session_id`
is what the ids of legacy sessions say, `session_state` what is kept of these.

Parts of a worker know what is open: `open_sessions` which sessions are,
`standalone_streams` the stream of each, `running_calls` what can be cancelled,
`questions` what clients have yet to answer, and `followers` which streams of calls they
came back for. `event_store` reads what these have missed: `stored_streams` have it kept
by `event_writes`, under `event_keys`, and `leases` say which process still works on it.

Knows nothing of `sessions`. May import `worker`, `server`, and what is below.
"""
