"""Makes the site an authorization server of its own, with django-oauth-toolkit.

`preset` in the package above names what is here in the toolkit's settings: `scopes` are
those of the endpoints, `grants` the ways to a token, `token_texts` what tokens are made
of; `validator` decides, `issuing` stores and ends tokens, `core` asks oauthlib.

Clients find all at the `urls` that the `metadata` names, of the `issuer`: `authorize`
for a user's browser, the `token_views` for programs. These have `oauthlib_view` in
common, and what they are sent is read by `parameters`. What ends is told by `changes`,
and `uses` writes down when programs acted.

Clients come by themselves: `registration` is where they register. `client_metadata` is
what they say of themselves, `redirect_uris` where they may have users sent back to,
`policies` says which are let in, and `registration_rate` how fast. `clients` are their
rows, and `application_admin` shows them, as `token_admin` does tokens.
`client_documents` are those whose client id is a URL, which `downloads` fetches.

Users decide on the page of `consent`, and take it back on that of `programs`;
`introductions` is what they read of a program.

Importing its modules needs django-oauth-toolkit, and `oauth2_provider` among the
installed apps. Start reading at `authorize`.
"""
