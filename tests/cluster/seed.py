"""Make the users of the site, and write who they are to standard output, as JSON."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

import django
from django.conf import settings


def main() -> None:
    """Make the users named on the command line, each with a token and a login."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.cluster.settings")
    django.setup()
    users = {name: _make_user(name) for name in sys.argv[1:]}
    sys.stdout.write(json.dumps(users))


def _make_user(name: str) -> dict[str, str]:
    # These need Django to be set up.
    from django.contrib.auth import (
        BACKEND_SESSION_KEY,
        HASH_SESSION_KEY,
        SESSION_KEY,
        get_user_model,
    )
    from django.contrib.auth.models import Permission

    from mcp_django.tokens.models import Token

    user: Any = get_user_model().objects.create_user(name)
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    _, token = Token.issue(user, "cluster")
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"token": token, "session": session.session_key}


if __name__ == "__main__":
    main()
