"""Whose a token of OAuth is: one module for each kind of token.

`toolkit` takes the tokens that the site has given, by django-oauth-toolkit. `jwt` takes
what another issuer has signed, and `introspection` asks the issuer about each token.
Both are an `IssuerAuthenticator` (`issuers`), which says what is the same for every
issuer: whom a token stands for (`users`), for which endpoint, and what it
allows (`claims`). `discovery` and `signing_keys` are what an issuer publishes;
`fetching` gets it, within bounds.

Name the first, or a subclass of another, in `MCP["AUTHENTICATION"]`. Start reading at
`issuers`.
"""
