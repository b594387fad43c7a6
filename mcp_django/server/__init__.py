"""What a developer registers, and how it is called.

`server` is what people write with, `context` what handlers may use: `reports` and
`questions` are what these send. `registration` makes `features` of `functions`, as far
as their `declarations` are right; `completions` are features, too. `discovery` finds
the servers; `endpoints`, `routes` and `well_known` are where they are served.

`dispatch` goes from one of the `requests`, by its `params`, to what answers: a feature,
`lists` of them (with `cache_hints`, `fingerprints`, and texts for `showing`), or
`session_requests`; what they cost a model, `prices` adds up. `answering` runs it until
there is an answer, which `observers` see; `handled` and `failures` tell receivers how
that went, in `outcomes`, by `receivers`, and `session_lives` of sessions.
`rights` says what the `permissions` of a feature allow, and `suggestions` are cut by
it; `scopes` are what a program must be allowed besides, and `switched_off` is what no
user may. `handlers` calls the function, in `transactions`. What it takes is in
`arguments`, what it returns in `results`; both stand on `schemas` and `uris`. `errors`
and `django_errors` are what it may raise.

`asking` ends a run that asks the client, by `forms` and their `form_fields`, in
`question_rounds` or with a `request_state`; `answers` is what the next run knows.
`notices`, `subscriptions` and `watching` are of changes, `texts` and `languages` of
what people read.

May import `auth`, `transports`, `protocol` and what is below. Start at `server`.
"""
