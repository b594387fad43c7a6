"""Where to log in is found out in every way there is, and lies are found out, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mcp_django import OAuthError, OAuthFault, OAuthRefused
from tests.client.oauth.site import (
    ISSUER,
    RESOURCE_DOCUMENT,
    SERVER_DOCUMENT,
    URL,
    Answer,
    Site,
    User,
    calling,
)

ROOT_DOCUMENT = "https://mcp.example/.well-known/oauth-protected-resource"
OPENID_DOCUMENT = f"{ISSUER}/.well-known/openid-configuration"
EVIL = "https://evil.example"


def move(site: Site, here: str, there: str) -> None:
    """Serve a document somewhere else."""
    site.routes["GET", there] = site.routes.pop(("GET", here))


async def test_metadata_is_looked_for_at_the_path_and_then_at_the_root(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization/authorization-server-discovery, "Protected
    Resource Metadata Discovery Requirements"."""
    site.names_metadata = False
    move(site, RESOURCE_DOCUMENT, ROOT_DOCUMENT)
    async with calling(site, user=user) as call:
        assert (await call()).is_success

    assert site.urls()[:3] == [URL, RESOURCE_DOCUMENT, ROOT_DOCUMENT]


async def test_metadata_that_is_named_is_looked_for_there_alone(
    site: Site, user: User
) -> None:
    """Spec: likewise: "use the resource metadata URL ... when present"."""
    del site.routes["GET", RESOURCE_DOCUMENT]
    site.routes["GET", ROOT_DOCUMENT] = lambda _: Answer(body=site.resource_metadata)
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthFault, match="where there is none"):
            await call()

    assert ROOT_DOCUMENT not in site.urls()


async def test_resource_of_a_whole_origin_is_what_the_token_is_for(
    site: Site, user: User
) -> None:
    """Chosen: sites with one document for all name their origin."""
    site.resource_metadata["resource"] = "https://mcp.example"
    async with calling(site, user=user) as call:
        # The site has tokens for another resource, and says so.
        with pytest.raises(OAuthRefused, match="invalid_target"):
            await call()

    assert user.visits[0].params["resource"] == "https://mcp.example"
    assert site.forms()[0]["resource"] == "https://mcp.example"


@pytest.mark.parametrize(
    "place",
    [
        f"{ISSUER}/.well-known/oauth-authorization-server/tenant1",
        f"{ISSUER}/.well-known/openid-configuration/tenant1",
        f"{ISSUER}/tenant1/.well-known/openid-configuration",
    ],
)
async def test_authorization_server_with_a_path_is_found(
    site: Site, user: User, place: str
) -> None:
    """Spec: likewise, "Authorization Server Metadata Discovery"."""
    tenant = f"{ISSUER}/tenant1"
    site.resource_metadata["authorization_servers"] = [tenant]
    site.metadata["issuer"] = tenant
    site.metadata["authorization_response_iss_parameter_supported"] = False
    move(site, SERVER_DOCUMENT, place)
    async with calling(site, user=user) as call:
        # The site's answer names the issuer without its path.
        with pytest.raises(OAuthError, match="another issuer"):
            await call()

    assert user.visits


async def test_openid_configuration_will_do(site: Site, user: User) -> None:
    """Spec: likewise."""
    move(site, SERVER_DOCUMENT, OPENID_DOCUMENT)
    async with calling(site, user=user) as call:
        assert (await call()).is_success


async def test_slash_of_an_empty_path_makes_no_other_issuer(
    site: Site, user: User
) -> None:
    """Chosen: some libraries add it, and the places of the metadata are the same."""
    site.resource_metadata["authorization_servers"] = [f"{ISSUER}/"]
    async with calling(site, user=user) as call:
        assert (await call()).is_success
        site.tokens.clear()
        assert (await call()).is_success

    assert len(user.visits) == 1


async def test_second_authorization_server_is_asked_if_the_first_is_none(
    site: Site, user: User
) -> None:
    """Spec: RFC 9728, section 7.6: the choice is the client's."""
    site.resource_metadata["authorization_servers"] = [EVIL, ISSUER]
    async with calling(site, user=user) as call:
        assert (await call()).is_success


# Revision 2025-03-26 ------------------------------------------------------------

OLD = "https://mcp.example"


def make_old(site: Site) -> None:
    """Let the MCP server be its own authorization server, without a word about it."""
    site.names_metadata = False
    del site.routes["GET", RESOURCE_DOCUMENT]
    for method, path in [("POST", "register"), ("GET", "authorize"), ("POST", "token")]:
        site.routes[method, f"{OLD}/{path}"] = site.routes[method, f"{ISSUER}/{path}"]


async def test_old_server_without_any_metadata_has_its_usual_places(
    site: Site, user: User
) -> None:
    """Spec: 2025-03-26 basic/authorization, "Fallbacks for Servers without Metadata
    Discovery"."""
    make_old(site)
    async with calling(site, user=user) as call:
        # Those of the site name another issuer, which is a lie here.
        with pytest.raises(OAuthError, match="another issuer"):
            await call()

    assert user.visits[0].copy_with(query=None) == f"{OLD}/authorize"
    assert f"{OLD}/register" in site.urls()


@pytest.mark.parametrize("issuer", [OLD, f"{OLD}/"])
async def test_old_server_may_have_metadata_of_its_own(
    site: Site, user: User, issuer: str
) -> None:
    """Spec: 2025-03-26 basic/authorization, "Server Metadata Discovery"."""
    make_old(site)
    metadata = {
        **site.metadata,
        "issuer": issuer,
        "authorization_endpoint": f"{OLD}/authorize",
        "token_endpoint": f"{OLD}/token",
        "registration_endpoint": f"{OLD}/register",
        "revocation_endpoint": None,
    }
    place = f"{OLD}/.well-known/oauth-authorization-server"
    site.routes["GET", place] = lambda _: Answer(body=metadata)
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthError, match="another issuer"):
            await call()

    assert user.visits[0].copy_with(query=None) == f"{OLD}/authorize"


@pytest.mark.parametrize("status", [503, 429])
async def test_server_that_fails_is_not_taken_for_an_old_one(
    site: Site, user: User, status: int
) -> None:
    """Chosen: or what breaks for a moment would lead users to invented pages."""
    make_old(site)
    site.routes["GET", ROOT_DOCUMENT] = lambda _: Answer(
        status, None, {"retry-after": "7"}
    )
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthFault, match=f"{status}.* come back in 7 seconds"):
            await call()

    assert not user.visits


# Lies ---------------------------------------------------------------------------

Lie = Callable[[Site], Any]


def lie(name: str, value: Any) -> Lie:
    """Make the authorization server say something else of itself."""
    return lambda site: site.metadata.update({name: value})


LIES: dict[str, Lie] = {
    "resource of another origin": lambda site: site.resource_metadata.update(
        resource=f"{EVIL}/mcp"
    ),
    "resource beside": lambda site: site.resource_metadata.update(resource=f"{URL}2"),
    "no resource": lambda site: site.resource_metadata.pop("resource"),
    "no authorization server": lambda site: site.resource_metadata.update(
        authorization_servers=[]
    ),
    "authorization server over http": lambda site: site.resource_metadata.update(
        authorization_servers=["http://login.example"]
    ),
    "authorization server on this computer": lambda site: site.resource_metadata.update(
        authorization_servers=["http://127.0.0.1:8500"]
    ),
    "metadata on this computer": lambda site: site.routes.update(
        {
            ("POST", URL): lambda _: Answer(
                401,
                {},
                {"www-authenticate": 'Bearer resource_metadata="http://[::1]:1/x"'},
            )
        }
    ),
    "authorization server that is none": lambda site: site.resource_metadata.update(
        authorization_servers=["javascript:alert(1)"]
    ),
    "metadata that is a list": lambda site: setattr(site, "resource_metadata", [1]),
    "metadata that is a page": lambda site: setattr(
        site, "resource_metadata", "<html>Not here</html>"
    ),
    "issuer of another": lie("issuer", "https://honest.example"),
    "issuer with a path": lie("issuer", f"{ISSUER}/x"),
    "issuer in capitals": lie("issuer", ISSUER.upper()),
    "issuer that is a number": lie("issuer", 7),
    "no issuer": lambda site: site.metadata.pop("issuer"),
    "pages of another origin": lie("authorization_endpoint", f"{EVIL}/authorize"),
    "tokens of another origin": lie("token_endpoint", f"{EVIL}/token"),
    "tokens over http": lie("token_endpoint", "http://login.example/token"),
    "tokens of another port": lie("token_endpoint", f"{ISSUER}:8443/token"),
    "registration of another origin": lie("registration_endpoint", f"{EVIL}/register"),
    "page that is a script": lie("authorization_endpoint", "javascript:alert(1)"),
    "page that is a number": lie("authorization_endpoint", 7),
    "no page": lambda site: site.metadata.pop("authorization_endpoint"),
    "HTML instead of JSON": lambda site: setattr(site, "metadata", "<html>Hi</html>"),
    "JSON that never ends": lambda site: setattr(site, "metadata", b"[" * 100_000),
    "document without end": lambda site: setattr(site, "metadata", b" " * 300_000),
    "surrogates": lambda site: setattr(site, "metadata", b'{"issuer": "\\ud800"}'),
    "no UTF-8": lambda site: setattr(site, "metadata", b"\xff\xfe{}"),
    "redirect to another origin": lambda site: site.routes.update(
        {("GET", SERVER_DOCUMENT): redirecting_to(f"{EVIL}/metadata")}
    ),
    "redirects without end": lambda site: site.routes.update(
        {("GET", SERVER_DOCUMENT): redirecting_to(SERVER_DOCUMENT)}
    ),
    "registration that is a page": lambda site: site.routes.update(
        {("POST", f"{ISSUER}/register"): lambda _: Answer(200, "<html>Hi</html>")}
    ),
    "registration without an id": lambda site: site.routes.update(
        {("POST", f"{ISSUER}/register"): lambda _: Answer(201, {"client_id": ""})}
    ),
    "registration with a key that we have not": lambda site: site.routes.update(
        {
            ("POST", f"{ISSUER}/register"): lambda _: Answer(
                201,
                {"client_id": "x", "token_endpoint_auth_method": "private_key_jwt"},
            )
        }
    ),
    "registration elsewhere": lambda site: site.routes.update(
        {("POST", f"{ISSUER}/register"): redirecting_to(f"{EVIL}/register")}
    ),
    "metadata elsewhere over http": lambda site: site.routes.update(
        {
            ("POST", URL): lambda _: Answer(
                401,
                {},
                {"www-authenticate": 'Bearer resource_metadata="http://mcp.example/x"'},
            )
        }
    ),
}  # fmt: skip


def redirecting_to(url: str) -> Callable[[Any], Answer]:
    """Make an answer that leads to another URL."""
    return lambda _: Answer(307, None, {"location": url})


@pytest.mark.parametrize("tell", LIES.values(), ids=LIES)
async def test_lie_is_found_out_before_the_user_goes_anywhere(
    site: Site, user: User, tell: Lie
) -> None:
    """Spec: RFC 8414, section 3.3; RFC 9728, section 3.3; Chosen: no endpoint of
    another origin, no page instead of JSON."""
    tell(site)
    with anyio.fail_after(20):
        async with calling(site, user=user) as call:
            with pytest.raises(OAuthFault) as caught:
                await call()

    assert "example" in str(caught.value)
    assert not user.visits
    assert not site.forms()
    assert not any(url.startswith((EVIL, "http:")) for url in site.urls())


TOKEN_LIES: dict[str, Answer] = {
    "page": Answer(200, "<html>Hi</html>"),
    "list": Answer(200, []),
    "nothing": Answer(200, {"token_type": "Bearer"}),
    "other type": Answer(200, {"access_token": "x", "token_type": "mac"}),
    "no type": Answer(200, {"access_token": "x"}),
    "token with a line end": Answer(
        200, {"access_token": "x\r\nCookie: y", "token_type": "Bearer"}
    ),
    "token that is a number": Answer(200, {"access_token": 7, "token_type": "Bearer"}),
    "token without end": Answer(
        200, {"access_token": "x" * 30_000, "token_type": "Bearer"}
    ),
    "elsewhere": Answer(307, None, {"location": f"{EVIL}/token"}),
    "failure": Answer(500, "<html>Oops</html>"),
    "error that is a list": Answer(400, {"error": ["invalid_grant"]}),
}  # fmt: skip


@pytest.mark.parametrize("answer", TOKEN_LIES.values(), ids=TOKEN_LIES)
async def test_token_that_is_none_is_sent_nowhere(
    site: Site, user: User, answer: Answer
) -> None:
    """Spec: RFC 6749, section 5.1."""
    site.routes["POST", f"{ISSUER}/token"] = lambda _: answer
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthFault, match=r"login\.example"):
            await call()

    assert site.bearers() == [None]
    assert not any(url.startswith(EVIL) for url in site.urls())


async def test_authorization_server_that_does_not_answer_is_given_up(
    site: Site, user: User
) -> None:
    """Chosen: `timeout` seconds for each question."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/.well-known/oauth-authorization-server"):
            await anyio.sleep_forever()
        await site(scope, receive, send)

    with anyio.fail_after(20):
        async with calling(site, user=user, timeout=0.1, app=silent) as call:
            with pytest.raises(OAuthFault, match=r"0\.1 s.*login\.example"):
                await call()


async def test_slow_questions_have_one_bound_together(site: Site, user: User) -> None:
    """Chosen: a server may list many that are slow."""
    hosts = [f"https://s{number}.example" for number in range(50)]
    site.resource_metadata["authorization_servers"] = hosts

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"])[b"host"].startswith(b"s"):
            await anyio.sleep(0.15)
        await site(scope, receive, send)

    with anyio.fail_after(20):
        async with calling(site, user=user, timeout=0.4, app=slow) as call:
            with pytest.raises(OAuthFault, match=r"more than 0\.4 seconds"):
                await call()


async def test_endpoints_of_another_origin_can_be_trusted(
    site: Site, user: User
) -> None:
    """Chosen: some well-known servers have them."""
    other = "https://tokens.example"
    site.metadata["token_endpoint"] = f"{other}/token"
    site.routes["POST", f"{other}/token"] = site.token
    async with calling(site, user=user, trusted_origins=[other]) as call:
        assert (await call()).is_success


async def test_error_names_the_origin_to_trust(site: Site, user: User) -> None:
    """Chosen: what to do is in the text."""
    site.metadata["token_endpoint"] = "https://tokens.example/token"
    async with calling(site, user=user) as call:
        with pytest.raises(
            OAuthFault, match=r"trusted_origins=\['https://tokens.example'\]"
        ):
            await call()
