"""Says which user asks: authenticators look at the credentials of an HTTP request.

`interface` is what they are, `authenticators` which there are, `authenticating` asks
them within a bound, and `challenges` is what a refusal tells, in `challenge_syntax`.
`bearer` finds bearer tokens, `users` reads users again, and `named_users` finds them by
name. `django_session`, `remote_user` and `tokens` are the authenticators that come with
us; by `labels` people find a credential again. `grants` are what pages show of programs
that were allowed.

May import Django, `conf`, `exceptions`, `bulkheads`, and the app of its tokens. Start
reading at `interface`.
"""
