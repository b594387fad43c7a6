"""Results that a client may use again, by what the server says of them."""

import pytest

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.result_cache import ResultCache

LIST = "tools/list"
READ = "resources/read"
RESULT: JSONObject = {"tools": [], "ttlMs": 5000}


def put(
    cache: ResultCache,
    method: str = LIST,
    params: JSONObject | None = None,
    result: JSONObject = RESULT,
    *,
    now: float = 0.0,
) -> None:
    """Keep a result that is asked for and comes at once."""
    cache.put(method, params or {}, result, now, mark=cache.mark(method))


def is_kept(
    cache: ResultCache,
    method: str = LIST,
    params: JSONObject | None = None,
    *,
    now: float = 0.0,
) -> bool:
    return cache.get(method, params or {}, now) is not None


# How long ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "holds"), [(100.0, True), (104.9, True), (105.0, False)]
)
def test_result_holds_as_long_as_its_server_says(now: float, holds: bool) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Freshness Calculation"."""
    cache = ResultCache()
    put(cache, now=100.0)
    assert is_kept(cache, now=now) is holds


def test_stale_result_is_forgotten() -> None:
    """Our choice: a clock that goes back does not make it fresh."""
    cache = ResultCache()
    put(cache)
    assert not is_kept(cache, now=5.0)
    assert not is_kept(cache, now=1.0)


@pytest.mark.parametrize("ttl_ms", [0, -1, None, "5000", 5000.0, []])
def test_result_without_a_time_is_not_kept(ttl_ms: JSON) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Time-to-Live (TTL) Field"."""
    cache = ResultCache()
    put(cache, result={"ttlMs": ttl_ms})
    put(cache, READ, result={})
    assert not is_kept(cache)
    assert not is_kept(cache, READ)


def test_time_too_long_to_reckon_with_is_a_year() -> None:
    """Our choice: no number of the server's ends in an OverflowError of ours."""
    cache = ResultCache()
    put(cache, result={"ttlMs": 10**400})
    assert is_kept(cache, now=364 * 24 * 3600.0)
    assert not is_kept(cache, now=365 * 24 * 3600.0)


# What --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/list",
    ],
)
def test_results_of_lists_and_resources_are_kept(method: str) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"."""
    cache = ResultCache()
    put(cache, method)
    assert cache.get(method, {}, 0.0) == RESULT


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "acme/anything"])
def test_results_of_other_methods_are_not_kept(method: str) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"."""
    cache = ResultCache()
    put(cache, method)
    assert not is_kept(cache, method)


def test_result_is_kept_for_its_params_alone() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cache Key"."""
    cache = ResultCache()
    put(cache, READ, {"uri": "a://a"})
    put(cache, READ, {"uri": "a://b"}, {"contents": [], "ttlMs": 1})
    assert cache.get(READ, {"uri": "a://a"}, 0.0) == RESULT
    assert cache.get(READ, {"uri": "a://b"}, 0.0) == {"contents": [], "ttlMs": 1}
    assert not is_kept(cache, READ, {"uri": "a://c"})
    assert not is_kept(cache, "resources/list", {"uri": "a://a"})


def test_results_not_used_for_longest_go_first() -> None:
    """Our choice: memory is bounded."""
    cache = ResultCache(max_results=2)
    put(cache, READ, {"uri": "a"})
    put(cache, READ, {"uri": "b"})
    assert is_kept(cache, READ, {"uri": "a"})
    put(cache, READ, {"uri": "c"})
    assert not is_kept(cache, READ, {"uri": "b"})
    put(cache, READ, {"uri": "a"})
    put(cache, READ, {"uri": "d"})
    assert is_kept(cache, READ, {"uri": "a"})
    assert not is_kept(cache, READ, {"uri": "c"})


# What has changed --------------------------------------------------------------------

CHANGED: dict[str, list[str]] = {
    "notifications/tools/list_changed": ["tools/list"],
    "notifications/prompts/list_changed": ["prompts/list"],
    "notifications/resources/list_changed": [
        "resources/list",
        "resources/templates/list",
    ],
    "notifications/message": [],
    "notifications/acme": [],
}


@pytest.mark.parametrize(("notification", "changed"), CHANGED.items(), ids=CHANGED)
def test_notification_makes_its_lists_stale(
    notification: str, changed: list[str]
) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Interaction with Notifications"."""
    cache = ResultCache()
    lists = {method for methods in CHANGED.values() for method in methods}
    for method in lists:
        put(cache, method)
        put(cache, method, {"cursor": "2"})
    cache.forget_changed(notification, {})
    for page in ({}, {"cursor": "2"}):
        kept = {method for method in lists if is_kept(cache, method, page)}
        assert kept == lists - {*changed}


def test_updated_resource_is_stale_and_others_are_not() -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Interaction with Notifications"."""
    cache = ResultCache()
    put(cache, READ, {"uri": "a://a"})
    put(cache, READ, {"uri": "a://b"})
    cache.forget_changed("notifications/resources/updated", {"uri": "a://a"})
    cache.forget_changed("notifications/resources/updated", {"uri": "a://unknown"})
    cache.forget_changed("notifications/resources/updated", {})
    assert not is_kept(cache, READ, {"uri": "a://a"})
    assert is_kept(cache, READ, {"uri": "a://b"})


def test_all_pages_of_a_list_can_be_forgotten() -> None:
    """Our choice: whoever asks for a fresh list gets all pages fresh."""
    cache = ResultCache()
    put(cache)
    put(cache, params={"cursor": "2"})
    put(cache, "prompts/list")
    cache.forget(LIST)
    assert not is_kept(cache)
    assert not is_kept(cache, params={"cursor": "2"})
    assert is_kept(cache, "prompts/list")


@pytest.mark.parametrize(
    ("notification", "params", "method"),
    [
        ("notifications/tools/list_changed", {}, LIST),
        ("notifications/resources/updated", {"uri": "a"}, READ),
    ],
)
def test_result_on_its_way_during_a_change_is_not_kept(
    notification: str, params: JSONObject, method: str
) -> None:
    """Our choice: nobody knows whether it is from before the change."""
    cache = ResultCache()
    mark, other = cache.mark(method), cache.mark("prompts/list")
    cache.forget_changed(notification, params)
    cache.put(method, {}, RESULT, 0.0, mark=mark)
    cache.put("prompts/list", {}, RESULT, 0.0, mark=other)
    assert not is_kept(cache, method)
    assert is_kept(cache, "prompts/list")
    put(cache, method)
    assert is_kept(cache, method)


# URIs --------------------------------------------------------------------------------


def test_resource_is_kept_however_its_uri_is_written() -> None:
    """Our choice: RFC 3986, section 6.2.2 and 6.2.3."""
    cache = ResultCache()
    put(cache, READ, {"uri": "https://Example.com"})
    assert is_kept(cache, READ, {"uri": "HTTPS://example.com:443/"})
    assert not is_kept(cache, READ, {"uri": "https://example.com/x"})


@pytest.mark.parametrize("other", ["note://ann", "note://Ann/", "note://Ann%2F"])
def test_resource_that_may_be_another_is_not_shown(other: str) -> None:
    """Our choice: what scheme somebody made up may tell them apart."""
    cache = ResultCache()
    put(cache, READ, {"uri": "note://Ann"})
    assert not is_kept(cache, READ, {"uri": other})


@pytest.mark.parametrize(
    ("updated", "holds"),
    [("note://ANN", False), ("NOTE://Ann/", False), ("note://Bob", True), (7, True)],
)
def test_resource_that_may_have_changed_is_forgotten(
    updated: JSON, holds: bool
) -> None:
    """Our choice: to ask once more is no mistake."""
    cache = ResultCache()
    put(cache, READ, {"uri": "note://Ann"})
    put(cache, READ, {"uri": "x" * 9000})
    cache.forget_changed("notifications/resources/updated", {"uri": updated})
    assert is_kept(cache, READ, {"uri": "note://Ann"}) is holds
    assert is_kept(cache, READ, {"uri": "x" * 9000})
