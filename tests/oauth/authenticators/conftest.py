"""The issuer that tests of authenticators ask."""

from collections.abc import Iterator

import pytest

from tests.oauth.authenticators.issuer import Issuer, serving


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port."""
    with serving() as issuer:
        yield issuer
