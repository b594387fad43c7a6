"""A program that asks for authorization, and a user who looks at the page."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from oauth2_provider.models import get_application_model

from mcp_django import Server
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.urlconfs import root_urlconf

SITE = "http://testserver"
RESOURCE = f"{SITE}/mcp"
OF_CLAUDE = "https://claude.ai/api/mcp/auth_callback"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .rstrip(b"=")
    .decode()
)


def make_server() -> Server:
    """Give a shop with a scope of its own."""
    server = Server("shop", title="The Shop", scopes={"shop:ship": "Ship orders"})

    @server.tool(read_only=True)
    def count_orders() -> int:
        return 3

    @server.tool(scope="shop:ship")
    def ship(order: int) -> str:
        return "shipped"

    return server


@contextmanager
def shop_site(**settings: Any) -> Iterator[Server]:
    """Serve the shop, as a project that follows the guide does."""
    server = make_server()
    with root_urlconf(
        path("", include("mcp_django.oauth.urls")),
        path("admin/", admin.site.urls),
        path("login/", LoginView.as_view(template_name="mcp_django/login.html")),
        *server.urls("mcp"),
        path("shops/<slug:name>/", include(server.urls("mcp"))),
        **{
            "LOGIN_URL": "/login/",
            "OAUTH2_PROVIDER": oauth2_provider(),
            "MCP": {"SITE_NAME": "Fine Things"},
            **settings,
        },
    ):
        yield server


def register(redirect_uri: str = OF_CLAUDE, name: str = "Claude", **fields: Any) -> Any:
    """Register a program, as one that has registered itself."""
    model = get_application_model()
    given = {
        "client_id": "claude",
        "client_type": model.CLIENT_PUBLIC,
        "authorization_grant_type": model.GRANT_AUTHORIZATION_CODE,
        "client_secret": "",
        "registration_source": model.RegistrationSource.DCR,
    }
    return model.objects.create(
        name=name, redirect_uris=redirect_uri, **(given | fields)
    )


@dataclass
class Visit:
    """A user's browser, and what a program sends it to.

    Attributes:
        browser: Logged in as the user.
        page: What it shows.
        url: Of the page.
    """

    browser: Client
    url: str
    page: Any = None

    @classmethod
    def of(cls, user: User, application: Any, **changes: Any) -> Visit:
        """Log a user in, and have the program ask for authorization.

        Args:
            user: Who is asked.
            application: The program.
            changes: Of the parameters of the request; None leaves one out.
        """
        browser = Client()
        browser.force_login(user)
        visit = cls(browser, url_of(application, **changes))
        visit.look()
        return visit

    def look(self) -> Any:
        """Look at the page."""
        self.page = self.browser.get(self.url)
        return self.page

    @property
    def text(self) -> str:
        """What the page says, without markup."""
        bare = re.sub(r"<[^>]+>", "", self.page.content.decode())
        return re.sub(r"\s+", " ", html.unescape(bare))

    @property
    def shown(self) -> str:
        """What the page proves with that it was shown."""
        found = re.search(r'name="shown" value="([^"]+)"', self.page.content.decode())
        assert found is not None, self.text
        return html.unescape(found[1])

    def decide(
        self, decision: str, granted: Sequence[str] = (), **changes: str
    ) -> HttpResponse:
        """Send the form."""
        form = {"decision": decision, "granted": list(granted), "shown": self.shown}
        response: Any = self.browser.post(self.url, form | changes)
        return response  # type: ignore[no-any-return]

    def allow(self, *granted: str) -> dict[str, str]:
        """Tick scopes and allow; give what the program is told."""
        return told_by(self.decide("allow", granted))


def url_of(application: Any, **changes: Any) -> str:
    """Give the URL to which a program sends its user."""
    asked = {
        "response_type": "code",
        "client_id": application.client_id,
        "redirect_uri": next(iter(application.redirect_uris.split()), None),
        "scope": "mcp:read shop:ship",
        "state": "s7",
        "resource": RESOURCE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    given = {name: value for name, value in asked.items() if value is not None}
    return f"/oauth/authorize?{urlencode(given)}"


def location_of(response: Any) -> str:
    """Give where a page or a redirect leads."""
    if response.status_code == 302:
        return str(response["Location"])
    assert response.status_code == 200, response.content
    assert "Location" not in response
    return str(response["Refresh"]).removeprefix("0;url=")


def told_by(response: Any) -> dict[str, str]:
    """Give what the program is told, in the URL that the user is sent to."""
    return dict(parse_qsl(urlsplit(location_of(response)).query))


def exchange(application: Any, told: dict[str, str]) -> dict[str, Any]:
    """Have the program get tokens for its code."""
    response: Any = Client().post(
        "/oauth/token",
        urlencode(
            {
                "grant_type": "authorization_code",
                "code": told["code"],
                "client_id": application.client_id,
                "redirect_uri": application.redirect_uris.split()[0],
                "code_verifier": VERIFIER,
                "resource": RESOURCE,
            }
        ),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 200, response.content
    tokens: dict[str, Any] = response.json()
    return tokens
