"""How administrators find credentials again: texts that are no secret."""

from __future__ import annotations


def label_of_token(pk: object) -> str:
    """Name a token of `mcp_django.tokens` by its primary key."""
    return f"token {pk}"


def label_of_access_token(pk: object) -> str:
    """Name an access token of the site's own authorization server."""
    return f"OAuth token {pk}"


def label_of_application(pk: object) -> str:
    """Name a program that is registered at the site's own authorization server.

    Its tokens say which one it is by this, and not by its client id, for which one
    more row would be read.
    """
    return f"application {pk}"
