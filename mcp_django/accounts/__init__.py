"""Accounts of the site's users at other MCP servers, which the site uses for them.

May import `client` and Django. Start reading at `models`.
"""
