"""Logs in at other servers with OAuth 2.1: an `auth` for httpx2 that does it all.

Knows no Django, like all of `client`.
"""
