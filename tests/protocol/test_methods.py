"""The rows of methods, beside what others say of the same."""

from typing import Any

import mcp_types.methods as known
import pytest
from mcp_types import ClientCapabilities, ServerCapabilities

from mcp_django.protocol import methods, versions
from mcp_django.protocol.methods import METHODS

ERAS = {"legacy": versions.LEGACY, "modern": versions.MODERN}


@pytest.mark.parametrize("version", versions.ALL)
def test_every_version_has_the_methods_of_its_schema(version: str) -> None:
    """Spec: schema.ts of each version, `ClientRequest`."""
    [era] = [era for era, of_era in ERAS.items() if version in of_era]
    ours = {row.name for row in METHODS.values() if era in row.eras}
    assert ours == {name for name, of in known.CLIENT_REQUESTS if of == version}


def test_methods_of_an_era_are_found_by_their_names() -> None:
    """Our choice: the driver of an era sees no other methods."""
    assert methods.LEGACY.keys() | methods.MODERN.keys() == METHODS.keys()
    assert methods.LEGACY.keys() - methods.MODERN.keys() == {
        "initialize",
        "logging/setLevel",
        "ping",
        "resources/subscribe",
        "resources/unsubscribe",
    }
    assert methods.MODERN.keys() - methods.LEGACY.keys() == {
        "server/discover",
        "subscriptions/listen",
    }


def test_methods_that_may_ask_are_those_of_the_schema() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    assert known.INPUT_REQUIRED_METHODS & METHODS.keys() == methods.MAY_ASK


def test_results_that_are_kept_are_those_of_the_schema() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"."""
    assert known.CACHEABLE_METHODS & METHODS.keys() == methods.KEPT


def test_lists_are_those_with_pages() -> None:
    """Spec: 2026-07-28 schema.ts, `PaginatedResult`: each has the member, and its
    changes have a notification."""
    for name, listed in methods.LISTS.items():
        form: Any = known.SERVER_RESULTS[name, "2026-07-28"]
        assert listed.member in {f.alias or n for n, f in form.model_fields.items()}
        assert (listed.change, "2026-07-28") in known.SERVER_NOTIFICATIONS
    paged = {name for name in METHODS if name.endswith("/list")}
    assert methods.LISTS.keys() == paged


def test_named_methods_mirror_a_member_of_their_params() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers"."""
    assert methods.NAMED == {
        "prompts/get": "name",
        "resources/read": "uri",
        "tools/call": "name",
    }


def test_capabilities_are_those_that_servers_declare() -> None:
    """Spec: 2026-07-28 schema.ts, `ServerCapabilities`."""
    named = {row.capability for row in METHODS.values()} - {""}
    assert named <= ServerCapabilities.model_fields.keys()


def test_initialize_and_ping_alone_need_no_session() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    needless = {row.name for row in METHODS.values() if not row.needs_session}
    assert needless == {"initialize", "ping"}


def test_questions_are_what_servers_request() -> None:
    """Spec: schema.ts of each version, `ServerRequest`; pings ask nothing."""
    asked = {name for name, version in known.SERVER_REQUESTS if version in versions.ALL}
    assert methods.QUESTIONS.keys() == asked - {"ping"}
    assert set(methods.QUESTIONS.values()) <= ClientCapabilities.model_fields.keys()
