"""A real issuer: an HTTP server with keys, which signs with a library we do not use."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import anyio.to_thread
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

from mcp_django.oauth.authenticators.claims import Claims

ADA = User(pk=7, username="ada")
"""Whom good tokens name, where no database is asked."""

RESOURCE = "http://testserver/mcp"
SECRET = "very secret: +%"


@dataclass
class Page:
    """What the issuer answers at a path.

    Attributes:
        body: JSON, or bytes as they are.
        status: HTTP status.
        headers: Further headers.
        may_answer: Held until this is set.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    may_answer: threading.Event | None = None


@dataclass
class Asked:
    """A request that came.

    Attributes:
        method: Such as "GET".
        path: With the query.
        headers: In lower case.
        form: What was posted.
    """

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@cache
def key_of(name: str) -> JWK:
    """Make a key pair, once in a run: that takes long."""
    kind, _, kid = name.partition(":")
    match kind:
        case "RSA":
            return JWK.generate(kty="RSA", size=2048, kid=kid)
        case "small":
            return JWK.generate(kty="RSA", size=1024, kid=kid)
        case "OKP":
            return JWK.generate(kty="OKP", crv="Ed25519", kid=kid)
        case curve:
            return JWK.generate(kty="EC", crv=curve, kid=kid)


def public(key: JWK, **more: object) -> dict[str, Any]:
    """Give what may be known of a key."""
    found: dict[str, Any] = key.export_public(as_dict=True)
    return {**found, **more}


class Issuer:
    """What the issuer publishes and was asked; tests change it as they like.

    Attributes:
        url: Its name.
        pages: What it answers, by path.
        asked: The requests that came.
        active: What it says about tokens when it is asked.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._hears = threading.Condition()
        self.active: dict[str, Any] = {}
        self.pages: dict[str, Page | Callable[[Asked], Page]] = {
            "/.well-known/openid-configuration": Page(self.metadata()),
            "/introspect": self._introspect,
        }
        self.publish(key_of("RSA:one"))

    def metadata(self, **changes: Any) -> dict[str, Any]:
        """Give what it publishes of itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "introspection_endpoint": f"{self.url}/introspect",
        } | changes

    def publish(self, *keys: JWK | dict[str, Any]) -> None:
        """Let these be its keys."""
        found = [key if isinstance(key, dict) else public(key) for key in keys]
        self.pages["/keys"] = Page({"keys": found})

    def times_asked(self, path: str) -> int:
        """Say how often a path was asked."""
        return sum(each.path == path for each in self.asked)

    def note(self, asked: Asked) -> None:
        """Note a request."""
        with self._hears:
            self.asked.append(asked)
            self._hears.notify_all()

    async def until_asked(self, path: str, times: int = 1) -> None:
        """Wait until a path was asked so often."""

        def wait() -> None:
            with self._hears:
                self._hears.wait_for(lambda: self.times_asked(path) >= times, 10)

        await anyio.to_thread.run_sync(wait)
        assert self.times_asked(path) >= times

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Give what a good token says; None leaves a claim out."""
        now = int(time.time())
        found = {
            "iss": self.url,
            "sub": "ada",
            "aud": RESOURCE,
            "exp": now + 300,
            "iat": now,
            "scope": "mcp:read",
            **changes,
        }
        return {name: value for name, value in found.items() if value is not None}

    def sign(
        self,
        claims: dict[str, Any],
        key: JWK | None = None,
        **header: Any,
    ) -> str:
        """Sign a token; None leaves a part of the header out."""
        key = key or key_of("RSA:one")
        default = {"alg": "RS256", "typ": "at+jwt", "kid": key.get("kid")}
        parts = {n: v for n, v in {**default, **header}.items() if v is not None}
        token = JWT(header=parts, claims=claims, algs=[parts["alg"]])
        token.make_signed_token(key)
        text: str = token.serialize()
        return text

    def token(self, **changes: Any) -> str:
        """Sign a good token, but for what is changed of its claims."""
        return self.sign(self.claims(**changes))

    def _introspect(self, asked: Asked) -> Page:
        name, secret = asked.form.get("client_id"), asked.form.get("client_secret")
        if "authorization" in asked.headers:
            pair = base64.b64decode(asked.headers["authorization"].split()[1]).decode()
            name, secret = map(unquote_plus, pair.split(":"))
        if (name, secret) != ("the site", SECRET):
            return Page({"error": "invalid_client"}, 401)
        return Page(self.active.get(asked.form["token"], {"active": False}))


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for headers and body, or the second waits for long

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        self._answer({name: values[0] for name, values in parse_qs(text).items()})

    def _answer(self, form: dict[str, str]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, form)
        self.issuer.note(asked)
        page = self.issuer.pages.get(self.path, Page({"error": "not found"}, 404))
        if callable(page):
            page = page(asked)
        if page.may_answer is not None:
            page.may_answer.wait(30)
        body = page.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            self.send_response(page.status)
            for name, value in (
                {"content-type": "application/json"} | page.headers
            ).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # it was given up
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Issuer]:
    """Run an issuer on a free port."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield Handler.issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def find_ada(authenticator: object, claims: Claims) -> User | None:
    """Find users as a project may, without a database."""
    return ADA if claims.get("sub") == "ada" else None


def request_with(token: str | None, path: str = "/mcp") -> HttpRequest:
    """Make a request to an endpoint of the site."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return RequestFactory().post(path, headers=headers)
