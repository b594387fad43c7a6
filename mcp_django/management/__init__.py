"""What is done with servers from a shell: `commands`, and what several of them use.

`arguments` reads what is given to a tool, `remote` reaches a server elsewhere,
`schemas` checks it by the tool's schema, and `forms` ask a person what a server asks.
What servers offer is `described`, written in `feature_tables` and `price_tables` (both
of `tables`), and compared with what was recorded by `drift`, `drift_in_words`.
`daphne_server` is the server that `mcp_daphne` and `runserver` run, with its
`idle_timers`.
"""
