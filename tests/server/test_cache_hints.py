"""For how long clients may keep what they were answered."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mcp_django import Server


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def server() -> Server:
    return Server("shop")


def assert_refuses(register: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        register()
    assert str(caught.value) == message


def test_cache_hints_are_milliseconds_and_a_scope(server: Server) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Model"."""
    times: list[Any] = [-1, 1.5, True, "60"]
    for ttl_ms in times:
        rule = "ttl_ms must be a whole number of 0 or more milliseconds"
        text = f"{rule}, not {ttl_ms!r}"
        assert_refuses(partial(Server, "a", ttl_ms=ttl_ms), text)
        assert_refuses(
            partial(server.resource, "shop://a", ttl_ms=ttl_ms),
            f"resource 'shop://a': {text}",
        )
    text = "cache_scope must be 'private' or 'public', not 'shared'"
    assert_refuses(partial(Server, "a", cache_scope="shared"), text)  # type: ignore[arg-type]
    assert_refuses(
        partial(server.resource, "shop://a", cache_scope="shared"),  # type: ignore[arg-type]
        f"resource 'shop://a': {text}",
    )


def test_what_needs_a_permission_is_not_for_every_cache(server: Server) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Security Considerations"."""
    needs = (
        "needs a permission, and cache_scope='public' would let caches show it to "
        "all users; leave one of the two out"
    )
    public = Server("public", cache_scope="public")
    permission = "auth.view_user"
    assert_refuses(
        lambda: public.tool(name="a", permission=permission)(lambda: None),
        f"tool 'a' {needs}",
    )
    assert_refuses(
        lambda: public.prompt(name="a", permission=permission)(lambda: "x"),
        f"prompt 'a' {needs}",
    )
    assert_refuses(
        lambda: public.resource("shop://a", name="a", permission=permission)(
            lambda: "x"
        ),
        f"resource 'shop://a' {needs}",
    )
    assert_refuses(
        lambda: server.resource(
            "shop://a", permission=permission, cache_scope="public"
        ),
        f"resource 'shop://a' {needs}",
    )
    assert not (public.tools or public.prompts or public.resources)
    server.resource("shop://a", name="a", permission=permission, ttl_ms=1000)(
        lambda: "x"
    )
