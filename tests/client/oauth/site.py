"""An MCP server and its authorization server, in one ASGI application.

Both do what OAuth demands of them: codes are good once, for their client, verifier and
redirect URI; tokens are good for one server and some scopes. They note what they are
asked, and each of their answers can be replaced by a lie.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote_plus, urlencode

import anyio
import httpx2
import jwt

from mcp_django.client.oauth import OAuth, Receiver, Redirect
from mcp_django.transports.client.http_auth import SERVER_URL

URL = "https://mcp.example/mcp"
ISSUER = "https://login.example"
CALLBACK = "http://127.0.0.1:1234/callback"

RESOURCE_DOCUMENT = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
SERVER_DOCUMENT = f"{ISSUER}/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class Asked:
    """One request that the site has seen."""

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode()))


@dataclass(frozen=True)
class Answer:
    """What the site answers."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Asked], Answer]


class Refusal(Exception):
    """An error of OAuth, as its endpoints answer it."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.answer = Answer(status, {"error": error, "error_description": "no"})


class Site:
    """The two servers.

    Attributes:
        asked: All requests, in order.
        routes: By method and URL, what answers it; to be replaced by tests.
        metadata: Of the authorization server.
        needs: Scopes that the MCP server demands of a token.
        names_metadata: Whether its refusals say where its metadata is.
        grantable: Scopes that the user agrees to; None for all.
        user_agrees: Whether the user agrees at all.
        lifetime: Seconds that an access token lives; None to say nothing.
        rotates: Whether a refresh token is good for one refresh.
        public_key: By which clients sign who they are.
        gives_refresh: Whether there are refresh tokens.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.needs: frozenset[str] = frozenset({"mcp:read"})
        self.names_metadata = True
        self.grantable: frozenset[str] | None = None
        self.user_agrees = True
        self.lifetime: int | None = 3600
        self.rotates = True
        self.gives_refresh = True
        self.public_key: Any = None
        self.clients: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        self.refresh_tokens: dict[str, tuple[str, frozenset[str]]] = {}
        self.revoked: list[str] = []
        self._numbers = count(1)
        self.resource_metadata: Any = {
            "resource": URL,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["mcp:read", "mcp:write"],
        }
        self.metadata: Any = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "registration_endpoint": f"{ISSUER}/register",
            "revocation_endpoint": f"{ISSUER}/revoke",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.routes: dict[tuple[str, str], Handler] = {
            ("GET", RESOURCE_DOCUMENT): lambda _: Answer(body=self.resource_metadata),
            ("GET", SERVER_DOCUMENT): lambda _: Answer(body=self.metadata),
            ("POST", URL): self.call,
            ("GET", URL): self.call,
            ("POST", f"{ISSUER}/register"): self.register,
            ("GET", f"{ISSUER}/authorize"): self.authorize,
            ("POST", f"{ISSUER}/token"): self.token,
            ("POST", f"{ISSUER}/revoke"): self.revoke,
        }

    # How it is reached ----------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP request."""
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        asked = Asked(
            scope["method"],
            f"{scope['scheme']}://{headers['host']}{scope['path']}",
            dict(parse_qsl(scope["query_string"].decode())),
            headers,
            await _read_all(receive),
        )
        self.asked.append(asked)
        handler = self.routes.get((asked.method, asked.url))
        await anyio.lowlevel.checkpoint()
        try:
            answer = Answer(404) if handler is None else handler(asked)
        except Refusal as refusal:
            answer = refusal.answer
        body = answer.body
        kind = "application/json"
        if isinstance(body, str):
            body, kind = body.encode(), "text/html"
        elif not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": kind, **answer.headers}
        raw = [(k.encode(), v.encode()) for k, v in sent.items()]
        start = {"type": "http.response.start", "status": answer.status, "headers": raw}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """Make an HTTP client that reaches the site, and nothing else."""
        transport = httpx2.ASGITransport(app=self)
        return httpx2.AsyncClient(transport=transport, **options)

    def urls(self, method: str | None = None) -> list[str]:
        """Give what was asked for, in order."""
        return [one.url for one in self.asked if method in (None, one.method)]

    def forms(self, grant_type: str | None = None) -> list[dict[str, str]]:
        """Give what the token endpoint was sent."""
        forms = [one.form for one in self.asked if one.url == f"{ISSUER}/token"]
        return [form for form in forms if grant_type in (None, form["grant_type"])]

    def bearers(self) -> list[str | None]:
        """Give the credentials that the MCP server was sent."""
        return [
            one.headers.get("authorization") for one in self.asked if one.url == URL
        ]

    # The MCP server -------------------------------------------------------------

    def call(self, asked: Asked) -> Answer:
        """Carry out a request that comes with a good token."""
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        named = f', resource_metadata="{RESOURCE_DOCUMENT}"'
        named = named if self.names_metadata else ""
        if token not in self.tokens:
            error = 'error="invalid_token", ' if token else ""
            challenge = f'Bearer {error}realm="mcp"{named}'
            return Answer(401, {}, {"www-authenticate": challenge})
        if not self.needs <= self.tokens[token]:
            scopes = " ".join(sorted(self.needs))
            challenge = f'Bearer error="insufficient_scope", scope="{scopes}"{named}'
            return Answer(403, {}, {"www-authenticate": challenge})
        return Answer(body={"done": True})

    # The authorization server ---------------------------------------------------

    def register(self, asked: Asked) -> Answer:
        """Register a client."""
        document = json.loads(asked.body)
        client_id = f"client-{next(self._numbers)}"
        self.clients[client_id] = document
        return Answer(201, {"client_id": client_id, **document})

    def authorize(self, asked: Asked) -> Answer:
        """Ask the user, who has made up their mind, and send them back."""
        query = asked.query
        client = self.clients.get(query["client_id"])
        if client is None or query["redirect_uri"] not in client["redirect_uris"]:
            return Answer(400, "<p>Who are you?</p>")
        if query.get("code_challenge_method") != "S256":
            return Answer(400, "<p>PKCE?</p>")
        back = {"state": query["state"], "iss": ISSUER}
        if self.user_agrees:
            code = f"code-{next(self._numbers)}"
            self.codes[code] = dict(query)
            back["code"] = code
        else:
            back["error"] = "access_denied"
        location = f"{query['redirect_uri']}?{urlencode(back)}"
        return Answer(302, None, {"location": location})

    def token(self, asked: Asked) -> Answer:
        """Give tokens for what a client shows."""
        form = asked.form
        client_id = self.client_of(asked)
        if form.get("resource") != URL:
            raise Refusal("invalid_target")
        match form["grant_type"]:
            case "authorization_code":
                scopes = self._redeem(form, client_id)
            case "refresh_token":
                kept = self.refresh_tokens.get(form["refresh_token"])
                if kept is None or kept[0] != client_id:
                    raise Refusal("invalid_grant")
                if self.rotates:
                    del self.refresh_tokens[form["refresh_token"]]
                scopes = kept[1]
            case "client_credentials" | _:
                scopes = frozenset(form.get("scope", "").split())
        if self.grantable is not None:
            scopes &= self.grantable
        return self._give(client_id, scopes)

    def client_of(self, asked: Asked) -> str:
        """Find out who asks, and whether it can prove it."""
        form, basic = asked.form, asked.headers.get("authorization")
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
        if basic is not None:
            decoded = b64decode(basic.removeprefix("Basic ")).decode()
            client_id, secret = map(unquote_plus, decoded.split(":"))
        if "client_assertion" in form:
            claims = jwt.decode(
                form["client_assertion"],
                self.public_key,
                algorithms=["ES256"],
                audience=ISSUER,
                options={"require": ["exp", "iat", "jti", "sub"]},
            )
            client_id = claims["sub"]
        elif self.clients.get(client_id, {}).get("client_secret") != secret:
            raise Refusal("invalid_client", 401)
        if client_id not in self.clients:
            raise Refusal("invalid_client", 401)
        return client_id

    def _redeem(self, form: Mapping[str, str], client_id: str) -> frozenset[str]:
        asked = self.codes.pop(form["code"], {})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        shown = (client_id, form["redirect_uri"], challenge, form["resource"])
        names = ("client_id", "redirect_uri", "code_challenge", "resource")
        if shown != tuple(asked.get(name) for name in names):
            raise Refusal("invalid_grant")
        return frozenset(asked.get("scope", "").split())

    def _give(self, client_id: str, scopes: frozenset[str]) -> Answer:
        number = next(self._numbers)
        self.tokens[f"access-{number}"] = scopes
        answer = {
            "access_token": f"access-{number}",
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
        }
        if self.lifetime is not None:
            answer["expires_in"] = str(self.lifetime)
        if self.gives_refresh:
            answer["refresh_token"] = f"refresh-{number}"
            self.refresh_tokens[f"refresh-{number}"] = (client_id, scopes)
        return Answer(body=answer)

    def revoke(self, asked: Asked) -> Answer:
        """Take a token back."""
        self.client_of(asked)
        self.revoked.append(asked.form["token"])
        return Answer()


async def _read_all(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


class User(Redirect, Receiver):
    """A user at a browser, who goes to the site's pages.

    Attributes:
        visits: Pages that the user was sent to.
    """

    def __init__(self, site: Site, uri: str = CALLBACK) -> None:
        self.uri = uri
        self.visits: list[httpx2.URL] = []
        self._site = site

    @asynccontextmanager
    async def receive(self, registered: str | None = None) -> AsyncIterator[Receiver]:
        """Listen at the one redirect URI."""
        yield self

    async def visit(self, url: str) -> str:
        """Go to the page, and give what its redirect says."""
        self.visits.append(httpx2.URL(url))
        async with self._site.client() as http:
            response = await http.get(url)
        return httpx2.URL(response.headers["location"]).query.decode()

    @property
    def scopes(self) -> list[set[str]]:
        """What was asked for at each visit."""
        return [set(url.params.get("scope", "").split()) for url in self.visits]


@asynccontextmanager
async def calling(
    site: Site, *, user: Redirect | None = None, app: Any = None, **options: Any
) -> AsyncIterator[Callable[..., Any]]:
    """Give what calls the MCP server with an `OAuth` object, and gives the response.

    Args:
        site: The two servers.
        user: Who logs in.
        app: What answers questions of OAuth instead; None for the site.
        options: For `OAuth`.
    """
    asked = httpx2.ASGITransport(app=app or site)
    async with (
        httpx2.AsyncClient(transport=asked) as asking,
        site.client(auth=OAuth(redirect=user, http=asking, **options)) as http,
    ):

        async def call(url: str = URL) -> httpx2.Response:
            extensions = {SERVER_URL: httpx2.URL(URL)}
            return await http.post(url, json={}, extensions=extensions)

        yield call
