"""A site and a user for each test."""

from __future__ import annotations

import pytest

from tests.client.oauth.site import Site, User


@pytest.fixture
def site() -> Site:
    """Make a site that knows no client yet."""
    return Site()


@pytest.fixture
def user(site: Site) -> User:
    """Make a user who agrees, unless the site says otherwise."""
    return User(site)
