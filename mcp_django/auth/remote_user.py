"""Users whom the web server has logged in, as for Django's `RemoteUserMiddleware`."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth import authenticate, load_backend
from django.http import HttpRequest

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.exceptions import AuthenticationFailed


class RemoteUserAuthenticator(Authenticator):
    """Vouches for the user in `REMOTE_USER`, which a server of WSGI sets.

    The server's word is trusted as it is, and no header of a client's becomes that
    word. Who it is, and whether an unknown name becomes a user, is decided by the
    project's `AUTHENTICATION_BACKENDS`, such as Django's `RemoteUserBackend`. Nothing
    is written to a login session.

    Attributes:
        header: The key of `request.META`. A subclass may name another, as for
            `RemoteUserMiddleware`: one of a header begins with `HTTP_`, and has to be
            set or removed by the proxy in each request.
    """

    # What servers ask for (Basic, Kerberos, certificates), browsers send by themselves.
    uses_cookies = True

    header: ClassVar[str] = "REMOTE_USER"

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Give the user whom the server names; None if it names none.

        Raises:
            AuthenticationFailed: No backend knows the name, or its user is inactive.
        """
        name = request.META.get(self.header)
        if not name:
            return None
        user = authenticate(request, remote_user=name)
        if user is None:
            raise AuthenticationFailed(
                f"no backend of settings.AUTHENTICATION_BACKENDS takes {name!r} of "
                f"{self.header}; add 'django.contrib.auth.backends.RemoteUserBackend', "
                "or look whether the user is there and active",
                description="the site does not know this user",
            )
        # `authenticate` says by which backend.
        return Identity(user, self, user.backend, label="web server's login")

    def is_still_valid(self, identity: Identity) -> bool:
        """Say whether the backend would still give this user."""
        backend = load_backend(str(identity.credential))
        return backend.get_user(identity.user.pk) is not None
