"""Accounts of the site's users at other MCP servers, which the site uses for them.

`models` has an account and a login on its way, both by `encryption`. May import
`client` and Django. Start reading at `models`.
"""
