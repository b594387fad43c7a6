"""What asks code of the site."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import override_settings

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.exceptions import ServiceAway

logger = FaultLog("mcp_django.tests")


@kept
def service_of(name: str) -> Service:
    """Make what asks it."""
    return service_of_site(
        name, "what needs it is refused", timeout=lambda: 60.0, logger=logger
    )


def test_service_is_the_same_until_the_settings_change() -> None:
    """Chosen: all who ask share what is known of it; tests share nothing."""
    one = service_of("one")
    assert service_of("one") is one
    assert service_of("another") is not one

    with override_settings(MCP={}):
        assert service_of("one") is not one


@pytest.mark.anyio
async def test_only_what_says_that_something_is_away_is_a_failure_of_the_site() -> None:
    """Chosen: all else is what the code of the site answers."""

    async def mistake() -> None:
        raise ValueError("no number")

    async def fail() -> None:
        raise OperationalError("the connection is closed")

    service = service_of("one")
    with pytest.raises(ValueError, match="no number"):
        await service.ask(mistake)
    with pytest.raises(ServiceAway):
        await service.ask(fail)
