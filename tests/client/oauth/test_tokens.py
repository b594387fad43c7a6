"""Tokens are kept, refreshed and asked for anew: with more rights, or elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mcp_django import (
    LocalProtocolError,
    OAuthError,
    OAuthRefused,
)
from mcp_django.client.oauth import (
    Assertion,
    ClientCredentials,
    FileStorage,
    MemoryStorage,
    OAuth,
    RegisteredClient,
)
from mcp_django.client.oauth.documents import Record, read
from tests.client.oauth.site import (
    CALLBACK,
    ISSUER,
    RESOURCE_DOCUMENT,
    URL,
    Answer,
    Asked,
    Site,
    User,
    calling,
)


async def logged_in(site: Site, user: User, storage: Any) -> None:
    """Have a user log in, and what came of it kept."""
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success
    site.asked.clear()


async def end_token(storage: Any, seconds: float = -1.0) -> None:
    """Let the token that is kept end, at some time from now."""
    record = await storage.get(URL)
    record["tokens"]["expires_at"] = time.time() + seconds
    await storage.set(URL, record)


# Refreshing ---------------------------------------------------------------------


async def test_token_that_ended_is_refreshed_without_being_sent(
    site: Site, user: User
) -> None:
    """Chosen: expiry and the server's metadata are kept, also over a restart."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)
    async with calling(site, storage=storage) as call:
        assert (await call()).is_success

    assert site.urls() == [f"{ISSUER}/token", URL]
    [form] = site.forms()
    assert (form["grant_type"], form["resource"]) == ("refresh_token", URL)


async def test_token_that_the_server_refuses_is_refreshed(
    site: Site, user: User
) -> None:
    """Spec: OAuth 2.1, section 5.3."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    site.tokens.clear()
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success
        assert (await call()).is_success

    assert len(site.forms("refresh_token")) == 1
    assert len(user.visits) == 1


async def test_nothing_secret_is_shown_where_values_are(site: Site, user: User) -> None:
    """Chosen: tracebacks and pages of errors show them."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    record = read(Record, await storage.get(URL))

    assert record.tokens is not None
    assert "access-" in record.tokens.access_token
    assert "access-" not in repr(record)
    assert "refresh-" not in repr(record)


async def test_rotated_refresh_token_is_kept(site: Site, user: User) -> None:
    """Spec: OAuth 2.1, section 4.3.1."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    for _ in range(3):
        await end_token(storage)
        async with calling(site, storage=storage) as call:
            assert (await call()).is_success

    used = [form["refresh_token"] for form in site.forms("refresh_token")]
    assert len(set(used)) == 3


async def test_refresh_token_that_is_not_rotated_goes_on(
    site: Site, user: User
) -> None:
    """Spec: RFC 6749, section 6."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    site.rotates = site.gives_refresh = False
    for _ in range(2):
        await end_token(storage)
        async with calling(site, storage=storage) as call:
            assert (await call()).is_success

    [first, second] = [form["refresh_token"] for form in site.forms("refresh_token")]
    assert first == second


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_tasks_share_one_refresh(
    site: Site, user: User, tmp_path: Path, kind: str
) -> None:
    """Chosen: one refresh at a time; with rotation, a second one would end both."""
    storage = MemoryStorage() if kind == "memory" else FileStorage(tmp_path / "tokens")
    await logged_in(site, user, storage)
    await end_token(storage)
    statuses = []
    async with (
        calling(site, storage=storage) as call,
        calling(site, storage=storage) as other_call,
    ):

        async def run(call: Any) -> None:
            statuses.append((await call()).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(run, call)
                tasks.start_soon(run, other_call)

    assert statuses == [200] * 8
    assert len(site.forms("refresh_token")) == 1


async def test_refresh_goes_on_when_its_task_is_cancelled(
    site: Site, user: User, tmp_path: Path
) -> None:
    """Chosen: the old refresh token is gone, so that the new one has to be kept."""
    storage = FileStorage(tmp_path / "tokens")
    await logged_in(site, user, storage)
    await end_token(storage)
    scope = anyio.CancelScope()

    def token(asked: Asked) -> Answer:
        scope.cancel()
        return site.token(asked)

    site.routes["POST", f"{ISSUER}/token"] = token
    async with calling(site, storage=storage) as call:
        with scope:
            await call()
        assert scope.cancelled_caught
        assert (await call()).is_success

    assert len(site.forms("refresh_token")) == 1


async def test_login_goes_on_when_its_task_is_cancelled_at_the_end(
    site: Site, user: User, tmp_path: Path
) -> None:
    """Chosen: likewise, a code is good for once."""
    storage = FileStorage(tmp_path / "tokens")
    scope = anyio.CancelScope()

    def token(asked: Asked) -> Answer:
        scope.cancel()
        return site.token(asked)

    site.routes["POST", f"{ISSUER}/token"] = token
    async with calling(site, user=user, storage=storage) as call:
        with scope:
            await call()
        assert scope.cancelled_caught
    async with calling(site, storage=storage) as call:
        assert (await call()).is_success


async def test_refresh_that_never_ends_does_not_hold_a_cancelled_task(
    site: Site, user: User
) -> None:
    """Chosen: it has some seconds more, and not all of the time."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)
    scope = anyio.CancelScope()

    async def silent(environment: Any, receive: Any, send: Any) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.fail_after(20):
        async with calling(site, storage=storage, app=silent, timeout=600) as call:
            with scope:
                await call()

    assert scope.cancelled_caught


@pytest.mark.parametrize("status", [400, 200])
async def test_refusal_with_any_status_means_a_new_login(
    site: Site, user: User, status: int
) -> None:
    """Spec: RFC 6749, section 5.2, has 400; some well-known servers send 200."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)

    def token(asked: Asked) -> Answer:
        if asked.form["grant_type"] == "refresh_token":
            return Answer(status, {"error": "invalid_grant"})
        return site.token(asked)

    site.routes["POST", f"{ISSUER}/token"] = token
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success

    assert len(user.visits) == 2


async def test_refusal_does_not_show_what_it_repeats(site: Site, user: User) -> None:
    """Chosen: errors are logged, and what is secret must not be."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)

    def token(asked: Asked) -> Answer:
        said = f"{asked.form['refresh_token']} is bad"
        body = {"error": "server_error", "error_description": said}
        return Answer(500, body)

    site.routes["POST", f"{ISSUER}/token"] = token
    async with calling(site, storage=storage) as call:
        with pytest.raises(OAuthRefused, match=r"'\.\.\. is bad'") as caught:
            await call()

    assert caught.value.description == "... is bad"


async def test_server_that_repeats_the_token_shows_it_to_nobody(
    site: Site, user: User
) -> None:
    """Chosen: likewise."""

    def call_in_vain(asked: Asked) -> Answer:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        challenge = (
            f'Bearer error="invalid_token", error_description="bad: {token}", '
            f'resource_metadata="{RESOURCE_DOCUMENT}"'
        )
        return Answer(401, {}, {"www-authenticate": challenge})

    site.routes["POST", URL] = call_in_vain
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthRefused, match=r"'bad: \.\.\.'") as caught:
            await call()

    assert "access-" not in caught.value.description


async def test_tasks_share_a_token_that_lives_shortly(site: Site, user: User) -> None:
    """Chosen: one that is about to end from the first is not refreshed by each."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)
    site.lifetime = 10
    async with (
        calling(site, storage=storage) as call,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(50):
            tasks.start_soon(call)

    assert len(site.forms("refresh_token")) == 1


async def test_refresh_token_that_ended_means_a_new_login(
    site: Site, user: User
) -> None:
    """Spec: RFC 6749, section 5.2, `invalid_grant`."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    site.tokens.clear()
    site.refresh_tokens.clear()
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success

    assert len(user.visits) == 2
    assert len(site.clients) == 1


async def test_client_that_was_forgotten_registers_anew(site: Site, user: User) -> None:
    """Chosen: `invalid_client` means that registration has to be done again."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    await end_token(storage)
    site.clients.clear()
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success

    assert len(user.visits) == 2
    assert len(site.clients) == 1


@pytest.mark.parametrize("is_told", [True, False])
async def test_authorization_server_that_is_away_does_not_cost_the_login(
    site: Site, user: User, is_told: bool
) -> None:
    """Chosen: what breaks for a moment is no reason to ask the user."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    busy = Answer(503, {"error": "temporarily_unavailable"} if is_told else None)
    site.routes["POST", f"{ISSUER}/token"] = lambda _: busy
    await end_token(storage, seconds=5)
    async with calling(site, user=user, storage=storage) as call:
        # The token is good for some seconds yet.
        assert (await call()).is_success
    await end_token(storage)
    async with calling(site, user=user, storage=storage) as call:
        with pytest.raises(OAuthError, match="temporarily" if is_told else "503"):
            await call()
    site.routes["POST", f"{ISSUER}/token"] = site.token
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success

    assert len(user.visits) == 1


@pytest.mark.parametrize("said", [None, "soon", -1, True, "nan", [1], 1e400])
async def test_lifetime_that_is_none_is_not_known(
    site: Site, user: User, said: Any
) -> None:
    """Chosen: then the server says when the token has ended."""

    def token(asked: Asked) -> Answer:
        body = {**site.token(asked).body, "expires_in": said}
        return Answer(body=json.dumps(body).encode())

    site.routes["POST", f"{ISSUER}/token"] = token
    async with calling(site, user=user) as call:
        assert (await call()).is_success
        assert (await call()).is_success
        site.tokens.clear()
        assert (await call()).is_success

    assert len(user.visits) == 1


async def test_server_that_refuses_every_token_is_left(site: Site, user: User) -> None:
    """Chosen: one login for one request."""
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    site.routes["POST", URL] = lambda _: Answer(401, {}, challenge)
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthRefused, match="refuses the token") as caught:
            await call()

    assert caught.value.error == "invalid_token"
    assert len(user.visits) == 1


async def test_server_that_wants_a_password_is_left_to_the_caller(
    site: Site, user: User
) -> None:
    """Chosen: there is no token for that."""
    challenge = {"www-authenticate": 'Basic realm="x"'}
    site.routes["POST", URL] = lambda _: Answer(401, {}, challenge)
    async with calling(site, user=user) as call:
        assert (await call()).status_code == 401

    assert site.urls() == [URL]


async def test_refusal_without_end_is_not_read(site: Site, user: User) -> None:
    """Chosen: what a refusal says is of no interest once it is known what to do."""
    started = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/mcp" and b"authorization" not in dict(scope["headers"]):
            started.set()
            site.asked.clear()
        await site(scope, receive, send)

    site.routes["POST", URL] = lambda asked: (
        site.call(asked)
        if "authorization" in asked.headers
        else Answer(401, b" " * 5_000_000)
    )
    with anyio.fail_after(10):
        async with calling(site, user=user, app=app) as call:
            assert (await call()).is_success


# More rights --------------------------------------------------------------------


async def test_more_rights_are_asked_for_beside_those_there_are(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Step-Up Authorization Flow"."""
    site.resource_metadata["scopes_supported"] = ["mcp:read"]
    async with calling(site, user=user) as call:
        await call()
        site.needs = frozenset({"mcp:write"})
        assert (await call()).is_success
        site.needs = frozenset({"mcp:read", "mcp:write"})
        assert (await call()).is_success

    assert user.scopes == [{"mcp:read"}, {"mcp:read", "mcp:write"}]


async def test_rights_that_the_user_does_not_give_are_not_asked_for_again_and_again(
    site: Site, user: User
) -> None:
    """Spec: likewise: clients "SHOULD track scope upgrade attempts"."""
    site.resource_metadata["scopes_supported"] = ["mcp:read"]
    site.grantable = frozenset({"mcp:read"})
    async with calling(site, user=user) as call:
        await call()
        site.needs = frozenset({"mcp:read", "mcp:write"})
        for _ in range(3):
            with pytest.raises(OAuthRefused, match="mcp:write") as caught:
                await call()
            assert caught.value.error == "insufficient_scope"
        site.needs = frozenset({"mcp:read"})
        assert (await call()).is_success

    assert len(user.visits) == 2


async def test_server_that_demands_what_was_given_is_left(
    site: Site, user: User
) -> None:
    """Spec: likewise: "no more than a few times"."""
    challenge = 'Bearer error="insufficient_scope", scope="mcp:read"'
    site.routes["POST", URL] = lambda asked: (
        Answer(403, {}, {"www-authenticate": challenge})
        if "authorization" in asked.headers
        else site.call(asked)
    )
    async with calling(site, user=user) as call:
        for _ in range(2):
            with pytest.raises(OAuthRefused, match="do not suffice"):
                await call()

    assert len(user.visits) == 1


async def test_server_that_demands_more_each_time_is_left(
    site: Site, user: User
) -> None:
    """Spec: likewise."""

    def demand(asked: Asked) -> Answer:
        challenge = f'Bearer error="insufficient_scope", scope="s{len(site.asked)}"'
        return Answer(403, {}, {"www-authenticate": challenge})

    site.routes["POST", URL] = lambda asked: (
        demand(asked) if "authorization" in asked.headers else site.call(asked)
    )
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthRefused, match="demands the scopes"):
            await call()

    assert len(user.visits) == 3


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        'Bearer error="insufficient_scope"',
        'Bearer error="access_denied", scope="x"',
        'Basic realm="x"',
    ],
)
async def test_refusal_that_names_no_scopes_is_left_to_the_caller(
    site: Site, user: User, challenge: str
) -> None:
    """Chosen: there is nothing to ask for."""
    site.routes["POST", URL] = lambda asked: (
        Answer(403, {}, {"www-authenticate": challenge})
        if "authorization" in asked.headers
        else site.call(asked)
    )
    async with calling(site, user=user) as call:
        assert (await call()).status_code == 403

    assert len(user.visits) == 1


async def test_scopes_of_the_challenge_go_before_those_of_the_metadata(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Scope Selection Strategy"."""
    challenge = {"www-authenticate": 'Bearer scope="mcp:read"'}
    site.routes["POST", URL] = lambda asked: (
        site.call(asked)
        if "authorization" in asked.headers
        else Answer(401, {}, challenge)
    )
    async with calling(site, user=user) as call:
        assert (await call()).is_success

    assert user.scopes == [{"mcp:read"}]


async def test_scopes_can_be_chosen(site: Site, user: User) -> None:
    """Chosen: least privilege is the program's to know."""
    async with calling(site, user=user, scopes="mcp:read") as call:
        assert (await call()).is_success

    assert user.scopes == [{"mcp:read"}]


async def test_no_scope_is_asked_for_where_none_is_named(
    site: Site, user: User
) -> None:
    """Spec: likewise: "omitting the `scope` parameter if ... undefined"."""
    del site.resource_metadata["scopes_supported"]
    site.needs = frozenset()
    async with calling(site, user=user) as call:
        assert (await call()).is_success

    assert "scope" not in user.visits[0].params


async def test_offline_access_is_asked_for_where_it_is_offered(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Refresh Tokens"."""
    site.metadata["scopes_supported"] = ["mcp:read", "offline_access"]
    async with calling(site, user=user, scopes=["mcp:read"]) as call:
        assert (await call()).is_success

    assert user.scopes == [{"mcp:read", "offline_access"}]


async def test_scope_that_is_no_more_is_not_asked_for_for_ever(
    site: Site, user: User
) -> None:
    """Chosen: after `invalid_scope` it begins with what the server names now."""
    storage = MemoryStorage()
    site.resource_metadata["scopes_supported"] = ["mcp:read", "gone"]
    site.gives_refresh = False
    await logged_in(site, user, storage)
    site.tokens.clear()
    site.resource_metadata["scopes_supported"] = ["mcp:read"]
    authorize = site.authorize

    def refuse(asked: Asked) -> Answer:
        answer = authorize(asked)
        if "gone" not in asked.query["scope"]:
            return answer
        location = answer.headers["location"].replace("code=", "error=invalid_scope&x=")
        return Answer(302, None, {"location": location})

    site.routes["GET", f"{ISSUER}/authorize"] = refuse
    async with calling(site, user=user, storage=storage) as call:
        with pytest.raises(OAuthError, match="invalid_scope"):
            await call()
        assert (await call()).is_success


async def test_scope_that_was_asked_for_in_vain_is_not_asked_for_again(
    site: Site,
) -> None:
    """Chosen: or one wrong wish would be in the way of all logins that follow."""
    storage = MemoryStorage()
    async with site.client() as http:
        oauth = OAuth(storage=storage, http=http)
        back = "https://app.example/back"
        first = await oauth.begin_login(URL, redirect_uri=back, scopes={"wrong"})
        second = await oauth.begin_login(URL, redirect_uri=back)

    assert "wrong" in httpx2.URL(first.url).params["scope"]
    assert "wrong" not in httpx2.URL(second.url).params["scope"]


# Another authorization server ---------------------------------------------------


async def test_server_that_moves_gets_another_client_and_no_old_secret(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration, "Authorization Server
    Binding"."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    site.tokens.clear()
    new = "https://new.example"
    metadata = {
        "issuer": new,
        "authorization_endpoint": f"{new}/authorize",
        "token_endpoint": f"{new}/token",
        "registration_endpoint": f"{new}/register",
        "code_challenge_methods_supported": ["S256"],
    }
    place = f"{new}/.well-known/oauth-authorization-server"
    site.routes["GET", place] = lambda _: Answer(body=metadata)
    site.resource_metadata["authorization_servers"] = [new]
    for method, path in [("POST", "register"), ("POST", "token"), ("GET", "authorize")]:
        site.routes[method, f"{new}/{path}"] = site.routes[method, f"{ISSUER}/{path}"]
    async with calling(site, user=user, storage=storage) as call:
        with pytest.raises(OAuthError, match="another issuer"):  # of the site's answer
            await call()

    assert not any(url.startswith(ISSUER) for url in site.urls())
    assert user.visits[1].params["client_id"] == "client-4"


async def test_client_of_one_authorization_server_is_not_shown_to_another(
    site: Site, user: User
) -> None:
    """Spec: likewise: "clients SHOULD surface an error"."""
    site.clients["by-hand"] = {"redirect_uris": [CALLBACK], "client_secret": "s"}
    site.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    client = RegisteredClient("by-hand", secret="s", issuer="https://old.example")
    async with calling(site, user=user, client=client) as call:
        with pytest.raises(OAuthError, match="belongs to the authorization server"):
            await call()

    assert not user.visits
    assert not site.forms()


async def test_client_is_bound_to_the_first_authorization_server(
    site: Site, user: User
) -> None:
    """Spec: likewise; a secret goes nowhere else later."""
    site.clients["by-hand"] = {"redirect_uris": [CALLBACK]}
    storage = MemoryStorage()
    client = RegisteredClient("by-hand")
    async with calling(site, user=user, storage=storage, client=client) as call:
        await call()
    site.tokens.clear()
    new = "https://new.example"
    site.resource_metadata["authorization_servers"] = [new]
    place = f"{new}/.well-known/oauth-authorization-server"
    metadata = {
        **site.metadata,
        "issuer": new,
        "authorization_endpoint": f"{new}/authorize",
        "token_endpoint": f"{new}/token",
        "registration_endpoint": None,
        "revocation_endpoint": None,
    }
    site.routes["GET", place] = lambda _: Answer(body=metadata)
    async with calling(site, user=user, storage=storage, client=client) as call:
        with pytest.raises(OAuthError, match="belongs to the authorization server"):
            await call()

    assert f"{new}/token" not in site.urls()


# Who we are ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["client_secret_basic"], "basic"),
        (["client_secret_post", "none"], "post"),
        (["client_secret_post", "client_secret_basic"], "basic"),
        (None, "basic"),
    ],
)
async def test_secret_is_shown_in_a_way_that_the_server_takes(
    site: Site, user: User, methods: list[str] | None, expected: str
) -> None:
    """Spec: RFC 6749, section 2.3.1; RFC 8414, section 2."""
    site.clients["a b:c"] = {"redirect_uris": [CALLBACK], "client_secret": "s+/ä:%"}
    site.metadata["token_endpoint_auth_methods_supported"] = methods
    client = RegisteredClient("a b:c", secret="s+/ä:%")
    async with calling(site, user=user, client=client) as call:
        assert (await call()).is_success

    [asked] = [one for one in site.asked if one.url == f"{ISSUER}/token"]
    shown = "basic" if "authorization" in asked.headers else "post"
    assert shown == expected
    assert ("client_secret" in asked.form) == (expected == "post")


async def test_secret_that_a_server_gives_is_used_as_it_says(
    site: Site, user: User
) -> None:
    """Spec: RFC 7591, section 3.2.1."""
    site.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]

    def register(asked: Asked) -> Answer:
        answer = site.register(asked)
        site.clients[answer.body["client_id"]]["client_secret"] = "given"
        return Answer(201, {**answer.body, "client_secret": "given"})

    site.routes["POST", f"{ISSUER}/register"] = register
    async with calling(site, user=user) as call:
        assert (await call()).is_success

    [form] = site.forms()
    assert form["client_secret"] == "given"


async def test_way_to_show_who_we_are_that_is_not_known_is_named(
    site: Site, user: User
) -> None:
    """Chosen: what the server wants is in the text."""
    site.metadata["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    site.clients["by-hand"] = {"redirect_uris": [CALLBACK]}
    client = RegisteredClient("by-hand")
    async with calling(site, user=user, client=client) as call:
        with pytest.raises(OAuthError, match="tls_client_auth"):
            await call()

    assert not site.forms()


def private_key(site: Site) -> str:
    """Make a key pair, of which the site gets the public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    site.public_key = key.public_key()
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


async def test_program_without_a_user_signs_who_it_is(site: Site) -> None:
    """Spec: RFC 7523, section 2.2; the extension "OAuth Client Credentials"."""
    site.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    site.clients["robot"] = {}
    client = RegisteredClient("robot", private_key=private_key(site))
    async with calling(site, grant=ClientCredentials(), client=client) as call:
        assert (await call()).is_success

    [form] = site.forms()
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "mcp:read mcp:write"


async def test_key_that_cannot_sign_is_named_and_not_shown(site: Site) -> None:
    """Chosen: a key is never in a text."""
    site.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    client = RegisteredClient("robot", private_key="-----BEGIN SECRET-----")
    async with calling(site, grant=ClientCredentials(), client=client) as call:
        with pytest.raises(OAuthError, match="cannot sign") as caught:
            await call()

    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in repr(client)


async def test_program_without_a_user_gets_a_new_token_when_one_ends(
    site: Site,
) -> None:
    """Spec: RFC 6749, section 4.4."""
    site.gives_refresh = False
    site.clients["robot"] = {"client_secret": "s"}
    site.metadata["token_endpoint_auth_methods_supported"] = None
    client = RegisteredClient("robot", secret="s")
    storage = MemoryStorage()
    async with calling(
        site, grant=ClientCredentials(), client=client, storage=storage
    ) as call:
        assert (await call()).is_success
        site.tokens.clear()
        assert (await call()).is_success
        site.needs = frozenset({"mcp:read", "other"})
        assert (await call()).is_success

    assert len(site.forms("client_credentials")) == 3


async def test_assertion_is_fetched_for_its_issuer_and_resource(site: Site) -> None:
    """Spec: RFC 7523, section 2.1."""
    asked = []

    async def get(issuer: str, resource: str) -> str:
        asked.append((issuer, resource))
        return "signed"

    site.clients["robot"] = {}
    client = RegisteredClient("robot")
    async with calling(site, grant=Assertion(get), client=client) as call:
        assert (await call()).is_success

    assert asked == [(ISSUER, URL)]
    [form] = site.forms()
    assert form["assertion"] == "signed"


async def test_grant_that_is_refused_is_not_tried_again(site: Site) -> None:
    """Chosen: the same would be refused again."""

    async def get(issuer: str, resource: str) -> str:
        return "signed"

    site.clients["robot"] = {}
    site.routes["POST", f"{ISSUER}/token"] = lambda _: Answer(
        400, {"error": "invalid_grant"}
    )
    client = RegisteredClient("robot")
    async with calling(site, grant=Assertion(get), client=client) as call:
        with pytest.raises(OAuthRefused) as caught:
            await call()

    assert caught.value.error == "invalid_grant"
    assert len(site.forms()) == 1


# Where tokens go ----------------------------------------------------------------


async def test_token_of_one_server_is_not_sent_to_another(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Token Handling"."""
    for url in ("https://other.example/mcp", "https://mcp.example:8443/mcp"):
        site.routes["POST", url] = lambda _: Answer(body={})
    async with calling(site, user=user) as call:
        await call()
        # Requests that say that they are for the same server, and are not.
        await call("https://other.example/mcp")
        await call("https://mcp.example:8443/mcp")

    for asked in site.asked:
        if asked.url.startswith(("https://other", "https://mcp.example:8443")):
            assert "authorization" not in asked.headers


async def test_each_server_has_a_token_of_its_own(site: Site, user: User) -> None:
    """Spec: likewise."""
    other = "https://mcp.example/other"
    site.routes["POST", other] = lambda _: Answer(body={})
    async with (
        site.client() as asking,
        site.client(auth=OAuth(redirect=user, http=asking)) as http,
    ):
        await http.post(URL, json={})
        await http.post(other, json={})

    assert "authorization" not in site.asked[-1].headers


async def test_token_is_not_sent_over_plain_http(site: Site, user: User) -> None:
    """Spec: 2026-07-28 basic/authorization/security-considerations, "Communication
    Security"."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    record = await storage.get(URL)
    plain = "http://mcp.example/mcp"
    assert record is not None
    await storage.set(plain, record)
    async with (
        site.client() as asking,
        site.client(auth=OAuth(http=asking, storage=storage)) as http,
    ):
        with pytest.raises(OAuthError, match="not https"):
            await http.post(plain, json={})

    assert not site.urls()


async def test_client_of_the_caller_is_not_asked_for_a_token_itself(
    site: Site, user: User
) -> None:
    """Chosen: one httpx2 client may do both."""
    async with site.client() as http:
        http.auth = OAuth(redirect=user, http=http)
        assert (await http.post(URL, json={})).is_success

    assert site.bearers()[0] is None


async def test_what_is_forgotten_is_given_back(site: Site, user: User) -> None:
    """Spec: RFC 7009."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    async with site.client() as http:
        oauth = OAuth(storage=storage, http=http)
        assert await oauth.is_logged_in(URL)
        await oauth.forget(URL)
        assert not await oauth.is_logged_in(URL)
        await oauth.forget(URL)

    assert await storage.get(URL) is None
    [revoked] = site.revoked
    assert revoked.startswith("refresh-")


async def test_what_cannot_be_given_back_is_forgotten_all_the_same(
    site: Site, user: User
) -> None:
    """Chosen: the user wants it to be gone."""
    storage = MemoryStorage()
    await logged_in(site, user, storage)
    site.routes["POST", f"{ISSUER}/revoke"] = lambda _: Answer(503)
    async with site.client() as http:
        await OAuth(storage=storage, http=http).forget(URL)

    assert await storage.get(URL) is None


@pytest.mark.parametrize("record", [{"tokens": 7}, {"clients": []}, {"x": 1}])
async def test_record_that_cannot_be_read_is_begun_anew(
    site: Site, user: User, record: dict[str, Any]
) -> None:
    """Chosen: an older or newer version may have written it."""
    storage = MemoryStorage()
    await storage.set(URL, record)
    async with calling(site, user=user, storage=storage) as call:
        assert (await call()).is_success


def test_client_without_an_event_loop_is_refused() -> None:
    """Chosen: httpx2.Client has no place to wait in."""
    with (
        httpx2.Client(auth=OAuth()) as http,
        pytest.raises(LocalProtocolError, match="AsyncClient"),
    ):
        http.post(URL)


@pytest.mark.parametrize(
    "options",
    [
        {"grant": ClientCredentials(), "redirect": User(Site())},
        {"client_metadata_url": "http://app.example/x"},
        {"client_metadata_url": "https://app.example"},
        {"trusted_origins": ["app.example"]},
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any]) -> None:
    """Chosen: when it is made, and not when it is needed."""
    with pytest.raises(ValueError, match=r"\w"):
        OAuth(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"client_id": ""},
        {"client_id": "x", "method": "magic"},
        {"client_id": "x", "method": "client_secret_post"},
        {"client_id": "x", "method": "private_key_jwt", "secret": "s"},
    ],
)
def test_registered_client_that_cannot_work_is_refused(options: Any) -> None:
    """Chosen: likewise."""
    with pytest.raises(ValueError, match=r"\w"):
        RegisteredClient(**options)
