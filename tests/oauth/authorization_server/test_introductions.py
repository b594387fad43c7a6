"""What users read of a program."""

from __future__ import annotations

import pytest
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import get_application_model

from mcp_django import Server
from mcp_django.oauth.authorization_server.introductions import (
    Destination,
    Introduction,
    Place,
    Proof,
    ScopeInWords,
    in_words,
    title_of,
    visible,
)

Application = get_application_model()


def introduce(source: str, name: str, client_id: str = "x7d") -> Introduction:
    """Introduce an application that was registered in one way."""
    return Introduction.of(
        Application(name=name, client_id=client_id, registration_source=source)
    )


def test_name_of_a_program_that_registered_itself_proves_nothing() -> None:
    """Chosen: any program may register as Claude."""
    introduction = introduce("dcr", "Claude")

    assert introduction == Introduction("Claude", Proof.NONE)
    assert not introduction.is_known
    assert not introduction.is_published


def test_host_of_a_published_program_vouches_for_it() -> None:
    """Demanded: the host of the client id is shown.

    Spec: 2025-11-25 basic/authorization, "Client ID Metadata Documents".
    """
    client_id = "https://claude.ai/oauth/client.json"

    introduction = introduce("cimd", "Claude", client_id)

    assert introduction == Introduction("Claude", Proof.PUBLISHED, "claude.ai")


def test_those_who_run_the_site_vouch_for_what_they_registered() -> None:
    """Chosen."""
    assert introduce("manual", "Our app") == Introduction("Our app", Proof.KNOWN)


@pytest.mark.parametrize(
    ("source", "client_id", "shown"),
    [
        ("dcr", "x7d", "x7d"),
        ("cimd", "https://claude.ai/client.json", "claude.ai"),
    ],
)
def test_program_without_a_name_is_called_by_what_it_has(
    source: str, client_id: str, shown: str
) -> None:
    """Chosen: no page asks about a program without a name."""
    assert introduce(source, " \u200b ", client_id).name == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Claude", "Claude"),
        ("  Claude \n Code ", "Claude Code"),
        ("Cla\u202eude\x00", "Claude"),
        ("名前", "名前"),
        ("W" * 61, "W" * 60 + "…"),
    ],
)
def test_names_are_shown_in_characters_that_can_be_seen(name: str, shown: str) -> None:
    """Chosen: none turns the text around that follows it, or fills the page."""
    assert visible(name) == shown


@pytest.mark.parametrize(
    ("uri", "place", "shown"),
    [
        ("https://claude.ai/api/mcp/auth_callback", Place.WEB, "claude.ai"),
        ("https://Claude.AI:8443/cb", Place.WEB, "claude.ai"),
        ("http://127.0.0.1:33418/", Place.COMPUTER, "127.0.0.1"),
        ("http://localhost:1234/callback", Place.COMPUTER, "localhost"),
        ("http://[::1]/callback", Place.COMPUTER, "[::1]"),
        ("https://localhost/callback", Place.COMPUTER, "localhost"),
        ("https://app.localhost/callback", Place.COMPUTER, "app.localhost"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", Place.APP, "cursor:"),
    ],
)
def test_redirect_uris_lead_to_a_place(uri: str, place: Place, shown: str) -> None:
    """Demanded: the user learns where the answer goes.

    Spec: 2025-11-25 basic/authorization, "Localhost Redirect URI Risks".
    """
    destination = Destination.of(uri)

    assert destination == Destination(place, shown)
    assert Destination.named(shown) == destination


def test_scopes_are_shown_in_the_words_of_their_server() -> None:
    """Chosen: in its order; what has no words is shown by its name."""
    server = Server("shop", scopes={"shop:ship": _("Ship orders")})

    assert in_words(["openid", "shop:ship", "mcp:read"], server.scopes) == [
        ScopeInWords("mcp:read", str(server.scopes["mcp:read"])),
        ScopeInWords("shop:ship", "Ship orders"),
        ScopeInWords("openid", ""),
    ]


def test_servers_are_called_by_title_or_name() -> None:
    """Chosen."""
    assert title_of(Server("shop", title="The Shop")) == "The Shop"
    assert title_of(Server("shop")) == "shop"
