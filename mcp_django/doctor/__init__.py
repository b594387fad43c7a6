"""Plays what clients do until they are logged in at a server; says what fails, and why.

`doctor` runs the steps: `endpoint` (what is asked without a token, Host, Origin),
`resource_metadata` and `server_metadata` (the documents that say where to log in),
`login_endpoints` (authorize, token, CORS), `registration`, `sessions` (with a token,
and whether streams arrive), and `known_clients` (how far each client comes).

`findings` is what they say, `visits` what they share, and `asking` makes the requests,
within bounds.

May import `client`, `protocol` and `exceptions`; knows no Django, so that it can be
tried against any server. Start reading at `doctor`.
"""
