"""Drive one HTTP request of Streamable HTTP until its answer.

A `post` is one HTTP request that brings messages; `modern_post` and `legacy_post` match
the event that the protocol makes of it. `calls` are requests from their handler to the
answer, `legacy_calls` those that outlive their connection, of which `batches` come
several in one post and take `turns`. `legacy_get`, `streams`, `session_streams` and
`resumed_streams` are what a client listens to. `session_id` is what the ids of legacy
sessions say, `legacy_sessions` how these begin, are used and end, `session_state` what
is kept of them, `session_lives` what receivers hear of them.

Parts of a worker know what is open: `open_sessions` which sessions are,
`standalone_streams` the stream of each, `running_calls` what can be cancelled,
`questions` what clients have yet to answer, and `followers` which streams of calls they
came back for. `event_store` reads what these have missed: `stored_streams` have it kept
by `event_writes`, under `event_keys`, and `leases` say which process still works on it.

Knows nothing of `sessions`. May import `worker`, `server`, and what is below.
"""
