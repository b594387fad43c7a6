"""A user logs in: registration, PKCE, `state`, `iss`, scopes, and saying no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest

from mcp_django import LoginFailed, LoginRequired, OAuthFault, OAuthRefused
from mcp_django.client.oauth import MemoryStorage, OAuth, RegisteredClient
from tests.client.oauth.site import (
    CALLBACK,
    ISSUER,
    RESOURCE_DOCUMENT,
    SERVER_DOCUMENT,
    URL,
    Answer,
    Asked,
    Site,
    User,
    calling,
)


async def test_login_takes_the_whole_way_and_then_none(site: Site, user: User) -> None:
    """Spec: 2026-07-28 basic/authorization, "Authorization Flow Steps"."""
    async with calling(site, user=user) as call:
        assert (await call()).json() == {"done": True}
        assert (await call()).json() == {"done": True}

    assert site.urls() == [
        URL,
        RESOURCE_DOCUMENT,
        SERVER_DOCUMENT,
        f"{ISSUER}/register",
        f"{ISSUER}/authorize",
        f"{ISSUER}/token",
        URL,
        URL,
    ]
    [query] = [dict(url.params) for url in user.visits]
    assert query["resource"] == URL
    assert query["response_type"] == "code"
    assert len(query["state"]) >= 32
    [form] = site.forms()
    assert form["resource"] == URL
    assert len(form["code_verifier"]) >= 43


async def test_program_registers_as_what_it_is(site: Site, user: User) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration, "Application Type and
    Redirect URI Constraints"."""
    async with calling(site, user=user, client_name="Reading robot") as call:
        await call()

    [registered] = site.clients.values()
    assert registered == {
        "client_name": "Reading robot",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "scope": "mcp:read mcp:write",
    }


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("https://app.example/callback", "web"),
        ("http://localhost:7000/callback", "native"),
        ("http://[::1]:7000/callback", "native"),
        ("myapp://callback", "native"),
    ],
)
async def test_application_type_follows_the_redirect_uri(
    site: Site, uri: str, kind: str
) -> None:
    """Spec: likewise."""
    async with calling(site, user=User(site, uri)) as call:
        await call()

    [registered] = site.clients.values()
    assert registered["application_type"] == kind


async def test_registration_is_kept_for_the_next_login(site: Site, user: User) -> None:
    """Chosen: an authorization server's table is not to be filled."""
    storage = MemoryStorage()
    site.gives_refresh = False
    for _ in range(2):
        async with calling(site, user=user, storage=storage) as call:
            await call()
        site.tokens.clear()

    assert len(user.visits) == 2
    assert len(site.clients) == 1


async def test_client_id_that_the_server_forgot_is_not_shown_to_the_user(
    site: Site, user: User
) -> None:
    """Chosen: the user would see an error page, and nothing would come back."""
    storage = MemoryStorage()
    for _ in range(2):
        async with calling(site, user=user, storage=storage) as call:
            assert (await call()).is_success
        site.tokens.clear()
        site.refresh_tokens.clear()
        site.clients.clear()

    assert user.visits[0].params["client_id"] == "client-1"
    assert user.visits[1].params["client_id"] != "client-1"


async def test_client_that_is_unknown_at_the_token_endpoint_registers_anew(
    site: Site, user: User
) -> None:
    """Chosen: it may be forgotten while the user logs in."""
    forgets = [True]

    def forget(asked: Asked) -> Answer:
        if forgets.pop() if forgets else False:
            site.clients.clear()
        return site.token(asked)

    site.routes["POST", f"{ISSUER}/token"] = forget
    async with calling(site, user=user) as call:
        assert (await call()).is_success

    assert len(user.visits) == 2


async def test_client_metadata_url_is_the_client_id_where_it_is_known(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration, "Client ID Metadata
    Documents"."""
    url = "https://app.example/oauth.json"
    site.metadata["client_id_metadata_document_supported"] = True
    site.clients[url] = {"redirect_uris": [CALLBACK]}
    async with calling(site, user=user, client_metadata_url=url) as call:
        assert (await call()).is_success

    assert user.visits[0].params["client_id"] == url
    assert f"{ISSUER}/register" not in site.urls()


async def test_client_metadata_url_is_no_client_id_elsewhere(
    site: Site, user: User
) -> None:
    """Spec: likewise; registration is what is left."""
    url = "https://app.example/oauth.json"
    async with calling(site, user=user, client_metadata_url=url) as call:
        assert (await call()).is_success

    assert user.visits[0].params["client_id"] == "client-1"


async def test_client_that_was_registered_by_hand_goes_first(
    site: Site, user: User
) -> None:
    """Spec: 2026-07-28 basic/authorization/client-registration."""
    site.metadata["client_id_metadata_document_supported"] = True
    site.clients["by-hand"] = {"redirect_uris": [CALLBACK]}
    async with calling(
        site,
        user=user,
        client=RegisteredClient("by-hand"),
        client_metadata_url="https://app.example/oauth.json",
    ) as call:
        assert (await call()).is_success

    assert user.visits[0].params["client_id"] == "by-hand"


async def test_server_that_registers_none_is_named(site: Site, user: User) -> None:
    """Chosen: what to do is in the text."""
    del site.metadata["registration_endpoint"]
    async with calling(site, user=user) as call:
        with pytest.raises(Exception, match="pass client=RegisteredClient") as caught:
            await call()

    assert "login.example" in str(caught.value)
    assert not user.visits


async def test_refusal_to_register_is_told(site: Site, user: User) -> None:
    """Spec: RFC 7591, section 3.2.2."""
    site.routes["POST", f"{ISSUER}/register"] = lambda _: Answer(
        400, {"error": "invalid_redirect_uri", "error_description": "no loopback"}
    )
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthRefused, match="no loopback") as caught:
            await call()

    assert caught.value.error == "invalid_redirect_uri"


# Saying no ----------------------------------------------------------------------


async def test_user_who_says_no_is_not_asked_twice(site: Site, user: User) -> None:
    """Chosen: one request, one question."""
    site.user_agrees = False
    async with calling(site, user=user) as call:
        with pytest.raises(LoginFailed) as caught:
            await call()

    assert caught.value.error == "access_denied"
    assert len(user.visits) == 1
    assert site.bearers() == [None]


async def test_user_who_says_no_to_one_task_says_it_to_all(
    site: Site, user: User
) -> None:
    """Chosen: ten calls do not open ten pages."""
    site.user_agrees = False
    failures = []
    async with calling(site, user=user) as call:

        async def fail() -> None:
            with pytest.raises(LoginFailed) as caught:
                await call()
            failures.append(caught.value.error)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(fail)

    assert failures == ["access_denied"] * 5
    assert len(user.visits) == 1


async def test_tasks_that_need_a_token_at_once_share_one_login(
    site: Site, user: User
) -> None:
    """Chosen: likewise."""
    statuses = []
    async with calling(site, user=user) as call:

        async def run() -> None:
            statuses.append((await call()).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(run)

    assert statuses == [200] * 5
    assert len(user.visits) == 1


async def test_user_who_does_not_come_back_is_waited_for_in_bounds(site: Site) -> None:
    """Chosen: `login_timeout` seconds."""

    class Absent(User):
        async def visit(self, url: str) -> str:
            await anyio.sleep_forever()
            raise AssertionError

    with anyio.fail_after(10):
        async with calling(site, user=Absent(site), login_timeout=0.05) as call:
            with pytest.raises(LoginFailed, match=r"within 0\.05 seconds"):
                await call()


async def test_without_a_way_to_ask_the_user_the_program_is_told(site: Site) -> None:
    """Chosen: a web application sends its user to a page of its own."""
    async with calling(site) as call:
        with pytest.raises(LoginRequired) as caught:
            await call()

    assert caught.value.url == URL
    assert site.urls() == [URL]


# What comes back ----------------------------------------------------------------


def answering(
    site: Site, change: Callable[[dict[str, str]], None], **metadata: Any
) -> None:
    """Let the authorization server send the user back with something else."""
    site.metadata.update(metadata)

    def authorize(asked: Asked) -> Answer:
        answer = site.authorize(asked)
        location, _, query = answer.headers["location"].partition("?")
        back = dict(pair.split("=") for pair in query.split("&"))
        back["iss"] = ISSUER
        change(back)
        return Answer(302, None, {"location": f"{location}?{urlencode(back)}"})

    site.routes["GET", f"{ISSUER}/authorize"] = authorize


def drop_iss(back: dict[str, str]) -> None:
    """Say nothing of the issuer."""
    del back["iss"]


ISS = "authorization_response_iss_parameter_supported"


@pytest.mark.parametrize(
    ("change", "advertised"),
    [
        (lambda back: back.update(state="another"), True),
        (lambda back: back.pop("state"), True),
        (lambda back: back.pop("iss"), True),
        (lambda back: back.update(iss="https://evil.example"), True),
        (lambda back: back.update(iss="https://evil.example"), False),
        (lambda back: back.update(iss=f"{ISSUER}/"), False),
        (lambda back: back.pop("code"), True),
    ],
    ids=[
        "other state",
        "no state",
        "no iss where it is promised",
        "other iss",
        "other iss without a promise",
        "iss that only looks the same",
        "no code",
    ],
)
async def test_answer_that_is_not_the_servers_is_not_used(
    site: Site,
    user: User,
    change: Callable[[dict[str, str]], None],
    advertised: bool,
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Authorization Response Validation"."""
    answering(site, change, **{ISS: advertised})
    async with calling(site, user=user) as call:
        with pytest.raises(LoginFailed):
            await call()

    assert not site.forms()


async def test_answer_without_iss_will_do_where_none_is_promised(
    site: Site, user: User
) -> None:
    """Spec: likewise, the table's last row."""
    answering(site, drop_iss, **{ISS: False})
    async with calling(site, user=user) as call:
        assert (await call()).is_success


async def test_error_of_another_issuer_is_not_shown(site: Site, user: User) -> None:
    """Spec: likewise: its error is not to be acted on or displayed."""

    def lie(back: dict[str, str]) -> None:
        back.update(
            iss="https://evil.example", error="call_us", error_description="0900"
        )

    answering(site, lie)
    async with calling(site, user=user) as call:
        with pytest.raises(LoginFailed) as caught:
            await call()

    assert caught.value.error == ""
    assert "0900" not in str(caught.value)


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
async def test_login_without_pkce_by_s256_is_refused(
    site: Site, user: User, methods: list[str] | None
) -> None:
    """Spec: 2026-07-28 basic/authorization/security-considerations, "Authorization Code
    Protection"."""
    site.metadata["code_challenge_methods_supported"] = methods
    async with calling(site, user=user) as call:
        with pytest.raises(OAuthFault, match="PKCE"):
            await call()

    assert not user.visits


# Web applications ---------------------------------------------------------------


async def logged_in_by_page(site: Site, storage: MemoryStorage) -> None:
    """Log a user in as a web application does, in two requests of two processes."""
    async with site.client() as http:
        oauth = OAuth(storage=storage, http=http)
        login = await oauth.begin_login(URL, redirect_uri="https://app.example/back")
        response = await http.get(login.url)
        query = response.headers["location"].partition("?")[2]
        assert login.state in query
        other = OAuth(storage=storage, http=http)
        assert not await other.is_logged_in(URL)
        await other.finish_login(URL, query)


async def test_login_of_a_web_application_is_finished_by_another_process(
    site: Site,
) -> None:
    """Chosen: what is under way is in the storage."""
    storage = MemoryStorage()
    await logged_in_by_page(site, storage)

    async with calling(site, storage=storage) as call:
        assert (await call()).is_success


async def test_where_to_log_in_is_found_out_from_the_servers_refusal(
    site: Site,
) -> None:
    """Chosen: some servers name their metadata there alone."""
    place = "https://mcp.example/elsewhere.json"
    site.routes["GET", place] = site.routes.pop(("GET", RESOURCE_DOCUMENT))
    challenge = {"www-authenticate": f'Bearer resource_metadata="{place}"'}
    site.routes["GET", URL] = lambda _: Answer(401, {}, challenge)
    storage = MemoryStorage()
    await logged_in_by_page(site, storage)

    assert f"{ISSUER}/token" in site.urls()


@pytest.mark.parametrize("query", ["", "code=1", "state=x&code=1", "state=1&state=2"])
async def test_answer_to_no_login_is_refused(site: Site, query: str) -> None:
    """Chosen: a page of another site cannot bring a code of its own."""
    async with site.client() as http:
        oauth = OAuth(http=http)
        with pytest.raises(LoginFailed):
            await oauth.finish_login(URL, query)

    assert not site.urls()


async def test_answer_is_good_for_once(site: Site) -> None:
    """Chosen: likewise."""
    async with site.client() as http:
        oauth = OAuth(http=http)
        login = await oauth.begin_login(URL, redirect_uri="https://app.example/back")
        response = await http.get(login.url)
        query = response.headers["location"].partition("?")[2]
        await oauth.finish_login(URL, query)
        with pytest.raises(LoginFailed):
            await oauth.finish_login(URL, query)

        assert await oauth.is_logged_in(URL)
        scopes = await oauth.granted_scopes(URL)
        assert scopes == frozenset({"mcp:read", "mcp:write"})
        assert len(site.forms()) == 1


async def test_logins_under_way_are_bounded(site: Site) -> None:
    """Chosen: who begins again and again keeps the newest."""
    storage = MemoryStorage()
    async with site.client() as http:
        oauth = OAuth(storage=storage, http=http)
        states = [
            (await oauth.begin_login(URL, redirect_uri=CALLBACK)).state
            for _ in range(12)
        ]
        record = await storage.get(URL)

    assert record is not None
    assert list(record["logins"]) == states[-10:]
    assert len(site.clients) == 1
