"""Accounts of the site's users at other MCP servers, which the site uses for them.

`servers` says which ones, and gives clients what logs them in there. `models` has the
accounts, read and written by `storage`, and encrypted by `encryption`. On the pages of
`views` (`urls`) users connect them; `logins` has who has yet to come back, `addresses`
where this site is. `checks` looks at it all. May import `client` and Django. Start
reading at `servers`.
"""
