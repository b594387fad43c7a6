"""A program that logs its user in by a browser, as tests need it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from oauth2_provider.models import Application

from mcp_django import Server
from mcp_django.oauth.authorization_server.authorize import (
    AuthorizationRequest,
    AuthorizeView,
)
from mcp_django.oauth.authorization_server.token_views import RevokeView, TokenView
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.urlconfs import root_urlconf

CALLBACK = "http://127.0.0.1:3333/callback"
MCP = "http://testserver/mcp"
SITE = "http://testserver"


class ShowingView(AuthorizeView):
    """Shows what is asked for as JSON, and takes a decision as a form."""

    def ask(self, request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
        """Answer as the page for people would."""
        match request.POST.get("decision"):
            case "allow":
                return self.allow(asked, request.POST.getlist("granted"))
            case "deny":
                return self.deny(asked)
        return JsonResponse(
            {
                "program": asked.application.client_id,
                "resource": asked.resource.url,
                "scopes": list(asked.scopes),
                "prompt": sorted(asked.prompt),
            }
        )


@contextmanager
def site(*servers: Server, **settings: Any) -> Iterator[None]:
    """Have servers at /mcp, /mcp1 and so on, with an authorization server."""
    server_urls = (
        [
            path("oauth/authorize", ShowingView.as_view(), name="authorize"),
            path("oauth/token", TokenView.as_view(), name="token"),
            path("oauth/revoke", RevokeView.as_view(), name="revoke"),
        ],
        "mcp_oauth",
    )
    mcp = [server.urls(f"mcp{i or ''}") for i, server in enumerate(servers)]
    settings.setdefault("OAUTH2_PROVIDER", oauth2_provider())
    patterns = [pattern for found in mcp for pattern in found]
    with root_urlconf(path("", include(server_urls)), *patterns, **settings):
        yield


@dataclass
class Program:
    """A program that a user of the site lets act for them.

    Attributes:
        application: Its registration.
        secret: What it proves itself with; "" for a public one.
        browser: Of its user.
        verifier: Of PKCE.
    """

    application: Application
    secret: str = ""
    browser: Client = field(default_factory=Client)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @classmethod
    def register(cls, secret: str = "", **more: Any) -> Program:
        """Register it, as a public program unless it has a secret."""
        values = {
            "client_type": "confidential" if secret else "public",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": CALLBACK,
            "client_secret": secret,
            "name": "Testing program",
        }
        return cls(Application.objects.create(**values | more), secret)

    @property
    def client_id(self) -> str:
        """Its name here."""
        return str(self.application.client_id)

    @property
    def challenge(self) -> str:
        """The digest of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def log_in(self, user: User) -> None:
        """Log the user in, in the browser."""
        self.browser.force_login(user)

    def url(self, **changed: Any) -> str:
        """Give the URL of an authorization request, with some parameters changed.

        None leaves one out, and a list repeats it.
        """
        asked: dict[str, Any] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "mcp:read",
            "state": "my state",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "resource": MCP,
        }
        asked |= changed
        query = {name: value for name, value in asked.items() if value is not None}
        return f"/oauth/authorize?{urlencode(query, doseq=True)}"

    def ask(self, **changed: Any) -> Any:
        """Open the page that asks the user."""
        return self.browser.get(self.url(**changed))

    def decide(
        self, decision: str = "allow", granted: Any = None, **changed: Any
    ) -> dict[str, str]:
        """Decide as the user, and give what the program is told at its callback."""
        scopes = changed.get("scope", "mcp:read") or "mcp:read mcp:write"
        body = {
            "decision": decision,
            "granted": scopes.split() if granted is None else granted,
        }
        response = self.browser.post(self.url(**changed), body)
        assert response.status_code == 302, response.content
        return told(response)

    def exchange(self, code: str, **changed: Any) -> Any:
        """Change a code for tokens."""
        return self.post(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": CALLBACK,
                "code_verifier": self.verifier,
                "resource": MCP,
            }
            | changed
        )

    def refresh(self, token: str, **changed: Any) -> Any:
        """Change a refresh token for new ones."""
        asked = {"grant_type": "refresh_token", "refresh_token": token}
        return self.post(asked | changed)

    def revoke(self, token: str, **changed: Any) -> Any:
        """End a token."""
        return self.post({"token": token} | changed, "/oauth/revoke")

    def post(self, form: dict[str, Any], to: str = "/oauth/token", **more: Any) -> Any:
        """Post a form as the program."""
        own = {"client_id": self.client_id}
        if self.secret:
            own["client_secret"] = self.secret
        sent = {k: v for k, v in (own | form).items() if v is not None}
        return Client().post(to, urlencode(sent, doseq=True), content_type=FORM, **more)

    def tokens(self, **changed: Any) -> dict[str, Any]:
        """Go all the way, and give what the program gets."""
        code = self.decide(**changed)["code"]
        response = self.exchange(code)
        assert response.status_code == 200, response.content
        found: dict[str, Any] = json.loads(response.content)
        return found


FORM = "application/x-www-form-urlencoded"


def told(response: Any) -> dict[str, str]:
    """Give the parameters of a redirect to the program's callback."""
    location = response["Location"]
    assert location.startswith(CALLBACK), location
    found = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}
