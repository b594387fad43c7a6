"""What a developer registers, and how it is called.

`server` is what people write with, `context` what handlers may use. `registration`
makes `features` of functions (`signatures`, `schemas`, `docstrings`, `declarations`),
`discovery` finds them, `endpoints` are where they are served. `dispatch` goes from one
of the `requests` to the feature that answers: `rights` says what its `permissions`
allow, `argument_work`, `bounded_validation` and `verbatim_schemas` check arguments in
bounded work, `handlers` calls it in `threads` and `transactions`, `results` writes what
it returns. `asking` asks the client, `notices`, `subscriptions` and `watching` are of
changes, `texts` and `languages` of what people read. May import `auth`, `transports`,
`protocol` and what is below. Start reading at `server`.
"""
