"""Which scopes programs may ask for."""

from django.test import override_settings
from oauth2_provider.models import AccessToken

from mcp_django.oauth.authorization_server.scopes import EndpointScopes
from mcp_django.oauth.preset import oauth2_provider


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
