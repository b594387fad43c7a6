"""What a developer registers, and how it is called.

`server` is what people write with, `context` what handlers may use. `registration`
makes `features` of functions, `discovery` finds the servers, `endpoints` and `routes`
are where they are served.

`dispatch` goes from one of the `requests` to the feature that answers, and `answering`
runs it until there is an answer: `rights` says what its `permissions` allow, `handlers`
calls it, in `transactions`. What a function takes is in `arguments`, what it returns in
`results`; both stand on `schemas` and `uris`.

`asking` and `questions` ask the client, in `question_rounds` or with a `request_state`.
`notices`, `subscriptions` and `watching` are of changes, `texts` and `languages` of
what people read.

May import `auth`, `transports`, `protocol` and what is below. Start at `server`.
"""
