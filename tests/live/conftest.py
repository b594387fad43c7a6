"""The fixture site on a Daphne that live tests share."""

from collections.abc import Iterator

import pytest

from tests.live.daphne import Daphne, running_daphne


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daphne]:
    """Serve the fixture site."""
    with running_daphne(tmp_path_factory.mktemp("site")) as daphne:
        yield daphne
