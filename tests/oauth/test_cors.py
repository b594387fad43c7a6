"""CORS of what programs in any web page may ask."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.oauth.authorization_server.asking import shop_site

pytestmark = pytest.mark.django_db

PAGE = "https://page.example"


@pytest.mark.parametrize("path", ["token", "revoke", "register"])
@pytest.mark.parametrize("with_middleware", [True, False])
def test_pages_of_every_origin_may_post(path: str, with_middleware: bool) -> None:
    """Spec: Fetch, "CORS protocol": without cookies, and with MCP's own header."""
    settings: dict[str, Any] = {} if with_middleware else {"MIDDLEWARE": []}
    with shop_site(**settings):
        preflight = Client().options(
            f"/oauth/{path}",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type,mcp-protocol-version",
            },
        )
        refused = Client().post(f"/oauth/{path}", headers={"Origin": PAGE})

    assert preflight.status_code == 200
    assert preflight["Access-Control-Allow-Methods"] == "POST"
    allowed = preflight["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "content-type", "mcp-protocol-version"} <= set(allowed)
    assert refused.status_code in (400, 401)
    for answer in (preflight, refused):
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("path", ["authorize", "programs/"])
def test_pages_of_users_are_for_no_other_page(path: str) -> None:
    """Chosen: what depends on who is logged in is not read by scripts of others."""
    with shop_site():
        response = Client().get(f"/oauth/{path}", headers={"Origin": PAGE})
    assert not [name for name in response.headers if name.startswith("Access-")]
