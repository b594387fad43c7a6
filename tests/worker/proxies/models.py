"""What a site may call its users and their tokens."""

from __future__ import annotations

from django.contrib.auth.models import User

from mcp_django.tokens.models import Token


class Colleague(User):
    """A user."""

    class Meta:
        app_label = "proxies"
        proxy = True


class Key(Token):
    """A token."""

    class Meta:
        app_label = "proxies"
        proxy = True
