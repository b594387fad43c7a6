"""Makes the site an authorization server of its own, with django-oauth-toolkit.

`preset` in the package above names what is here in the toolkit's settings: `scopes` are
those of the endpoints.

Clients come by themselves. `redirect_uris` says where they may have users sent back to.

Importing its modules needs django-oauth-toolkit, and `oauth2_provider` among the
installed apps. Start reading at `scopes`.
"""
