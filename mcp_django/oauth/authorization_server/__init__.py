"""Makes the site an authorization server of its own, with django-oauth-toolkit.

`preset` in the package above names what is here in the toolkit's settings: `scopes` are
those of the endpoints.

Clients come by themselves: `registration` is where they register. `client_metadata` is
what they say of themselves, `redirect_uris` where they may have users sent back to,
`policies` says which are let in, and `registration_rate` how fast. `clients` are their
rows.

Users decide on pages: `introductions` is what they read of a program.

Importing its modules needs django-oauth-toolkit, and `oauth2_provider` among the
installed apps. Start reading at `scopes`.
"""
