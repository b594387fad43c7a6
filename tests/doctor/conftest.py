"""The site that the doctor visits."""

from collections.abc import Iterator

import pytest

from tests.doctor.site import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """Run a site on a free port."""
    with serving() as site:
        yield site
