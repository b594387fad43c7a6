"""Accounts of the site's users at other MCP servers, which the site uses for them.

`models` has the accounts, read and written by `storage`, and encrypted by `encryption`.
In the browser's session, `logins` has who has yet to come back; `addresses` says where
this site is. May import `client` and Django. Start reading at `models`.
"""
