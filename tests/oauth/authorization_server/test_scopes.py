"""Which scopes programs may ask for."""

import json
from datetime import timedelta
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from pytest_django import Settings

from mcp_django.oauth.authorization_server.scopes import EndpointScopes
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.authorization_server.programs import Program
from tests.oauth.urlconfs import root_urlconf


def test_the_scopes_of_all_endpoints_may_be_asked_for() -> None:
    scopes = EndpointScopes()
    assert {"mcp:read", "mcp:write"} <= set(scopes.get_available_scopes())
    assert set(scopes.get_all_scopes()) == set(scopes.get_available_scopes())
    assert set(scopes.get_default_scopes()) <= set(scopes.get_available_scopes())


def test_each_scope_has_words_for_the_user_who_is_asked() -> None:
    assert all(str(words) for words in EndpointScopes().get_all_scopes().values())


@override_settings(OAUTH2_PROVIDER=oauth2_provider())
def test_a_token_of_the_toolkit_knows_the_words() -> None:
    assert set(AccessToken(scope="mcp:read other").scopes) == {"mcp:read"}


OWN = {"read": "Read the API", "write": "Write to the API"}


@override_settings(OAUTH2_PROVIDER=oauth2_provider(SCOPES=OWN))
def test_scopes_that_the_project_has_for_other_things_stay() -> None:
    """Chosen: a site that gave tokens before goes on to give them."""
    scopes = EndpointScopes()
    assert scopes.get_all_scopes().items() >= OWN.items()
    assert set(scopes.get_available_scopes()) == {*OWN, *scopes.of_endpoints()}
    assert set(scopes.get_default_scopes()) == set(OWN)


@override_settings(OAUTH2_PROVIDER=oauth2_provider(SCOPES={"mcp:read": "Other"}))
def test_scope_of_an_endpoint_keeps_its_words() -> None:
    scopes = EndpointScopes()
    assert scopes.get_all_scopes()["mcp:read"] == scopes.of_endpoints()["mcp:read"]


def test_own_scopes_of_the_project_are_no_endpoints(
    program: Program, settings: Settings
) -> None:
    """Chosen: a program that asks for both gets what the endpoint has."""
    settings.OAUTH2_PROVIDER = oauth2_provider(SCOPES=OWN)
    tokens = program.tokens(scope="mcp:read write")
    assert tokens["scope"] == "mcp:read"


@override_settings(OAUTH2_PROVIDER=oauth2_provider(SCOPES=OWN))
def test_own_scopes_of_the_project_are_not_in_the_metadata() -> None:
    """Chosen: clients that ask for all that is there ask for what endpoints have."""
    response = Client().get("/.well-known/oauth-authorization-server")
    assert not set(OWN) & set(json.loads(response.content)["scopes_supported"])


def test_page_of_the_toolkit_asks_for_no_more_than_the_program(
    user: User, settings: Settings
) -> None:
    """Chosen: a site may keep that page for its own API, below another path."""
    settings.OAUTH2_PROVIDER = oauth2_provider(SCOPES=OWN)
    program = Program.register()
    program.log_in(user)
    query = urlsplit(program.url(scope="read other", resource=None)).query
    with root_urlconf(path("o/", include("oauth2_provider.urls"))):
        response = program.browser.get(f"/o/authorize/?{query}")
    assert response.status_code == 200
    assert response.context["form"]["scope"].value() == "read"


def test_tokens_from_before_are_refreshed_with_their_scopes(
    program: Program, user: User, settings: Settings
) -> None:
    """Chosen: a program of the site's own API does not log in again."""
    settings.OAUTH2_PROVIDER = oauth2_provider(SCOPES=OWN)
    access = AccessToken.objects.create(
        user=user,
        application=program.application,
        token="before",
        scope="read write",
        expires=timezone.now() + timedelta(hours=1),
    )
    RefreshToken.objects.create(
        user=user,
        application=program.application,
        token="refresh-before",
        access_token=access,
    )
    response = program.refresh("refresh-before", scope="read")
    assert response.status_code == 200, response.content
    assert json.loads(response.content)["scope"] == "read"
