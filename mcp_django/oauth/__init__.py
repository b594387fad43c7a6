"""Makes the site one of OAuth 2.1: a resource server, and an authorization server.

The resource server says where programs log in, and takes the tokens that they bring. It
works with any authorization server. `authorization_server` makes one of the site
itself, with django-oauth-toolkit, which `preset` sets as MCP clients need it.

`resources` says which URLs name an endpoint, so which tokens are for it, and
`authenticators` say whose those are. `documents` says where programs log in; `urls` is
what a project includes, `cors` lets programs in web pages ask, and `checks` finds out
whether it works.

`models` is what users allowed programs.

May import all of the server half. Start reading at `resources`.
"""
