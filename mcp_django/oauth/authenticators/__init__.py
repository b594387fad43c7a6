"""Whose a token of OAuth is: one module for each kind of token.

`jwt` takes what another issuer has signed, and `introspection` asks the issuer about
each token. Both are an `IssuerAuthenticator` (`issuers`), which says what is the same
for every issuer: whom a token stands for (`users`), for which endpoint, and what it
allows (`claims`). `discovery` and `signing_keys` are what an issuer publishes;
`fetching` gets it, within bounds.

Name a subclass of one in `MCP["AUTHENTICATION"]`. Start reading at `issuers`.
"""
