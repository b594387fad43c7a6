"""What proves to the test project who is asking."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from django.contrib.auth.models import User
from django.test import Client

from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.tokens.models import Token
from tests.consumers.connections import Response

_LOGIN: Final = re.compile(
    r', resource_metadata="http://[^"]+/\.well-known/oauth-protected-resource[^"]*"'
    r', scope="mcp:read mcp:write"'
)


async def cookie_of(user: User) -> dict[str, str]:
    """Log a user in to the site, and give the header that the browser then sends."""
    return await authentication_threads.run(partial(_log_in, user))


async def token_of(
    user: User, *, scopes: Iterable[str] | None = None
) -> dict[str, str]:
    """Issue a token, and give the header that a program sends with it."""
    issue = partial(Token.issue, user, "test", scopes=scopes)
    _, text = await authentication_threads.run(issue)
    return {"authorization": f"Bearer {text}"}


def _log_in(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"cookie": f"sessionid={client.cookies['sessionid'].value}"}


def without_login(challenge: str | None) -> str | None:
    """Leave out of challenges what they say of the test project's own OAuth."""
    return challenge and _LOGIN.sub("", challenge)


def assert_challenged(
    response: Response,
    message: str = "Authentication required",
    challenge: str = 'Bearer realm="mcp"',
) -> None:
    """Fail unless a response is the 401 of the test project."""
    assert response.error() == (401, -32600, message)
    assert response.header("content-type") == "application/json"
    assert without_login(response.header("www-authenticate")) == challenge
    assert response.header("location") is None
