"""Which resource a URI names, however it is written."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel

from mcp_django import Server
from mcp_django.server.uris.identity import matches
from tests.server.calls import Caller

UPPER = UUID("12345678-1234-5678-1234-567812345678")


class Color(Enum):
    """What a thing may be like."""

    RED = "red"


class Point(BaseModel):
    """Something that pydantic can write."""

    x: int


class Secret:
    """Something that nobody can write."""

    def __init__(self, text: str) -> None:
        self.text = text


def make(template: str, annotation: Any, default: Any = ...) -> Server:
    """Make a server with one template, whose variable is `value`."""
    server = Server("shop")

    def read(value: Any) -> str:
        return str(value)

    read.__annotations__["value"] = annotation
    if default is not ...:
        read.__defaults__ = (default,)
    server.resource(template)(read)
    return server


SAME: list[tuple[Any, str, str]] = [
    (str, "a@b.c", "a%40b.c"),
    (str, "it's", "it%27s"),
    (str, "a:b", "a%3Ab"),
    (str, "a+b", "a%2Bb"),
    (str, "a,b", "a%2Cb"),
    (str, "a(1)", "a%281%29"),
    (str, "Grün", "Gr%C3%BCn"),
    (str, "gr%c3%bcn", "grün"),
    (str, "Tea Set", "Tea%20Set"),
    (str, "a%7Eb", "a~b"),
    (int, "7", "07"),
    (int, "7", "+7"),
    (bool, "true", "True"),
    (bool, "1", "true"),
    (float, "1", "1.0"),
    (float, "0.0", "-0.0"),
    (Decimal, "1.0", "1.00"),
    (Decimal, "100", "1E2"),
    (Decimal, "0", "-0.00"),
    (UUID, "12345678123456781234567812345678", str(UPPER).upper()),
    (date, "2026-01-02", "2026-01-02"),
    (datetime, "2026-01-02T03:04:05Z", "2026-01-02%2003:04:05+00:00"),
    (datetime, "2026-01-02T03:04:05Z", "2026-01-02T04:04:05%2B01:00"),
    (Color, "red", "%72ed"),
]
DIFFERENT: list[tuple[Any, str, str]] = [
    (str, "a%2Fb", "a"),
    (str, "a", "A"),
    (str, "7", "07"),
    (str, "true", "True"),
    (int, "7", "8"),
    (bool, "true", "false"),
    (Decimal, "1.0", "1.01"),
    (Decimal, "-1", "1"),
    (Decimal, f"1{'0' * 40}1", f"1{'0' * 40}2"),
    (datetime, "2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
    (datetime, "0001-01-01T00:00:00%2B01:00", "0001-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("annotation", "one", "other"), SAME)
def test_values_that_a_handler_gets_alike_name_the_same_resource(
    annotation: Any, one: str, other: str
) -> None:
    """Our choice: who subscribed to one is told of the other."""
    server = make("shop://things/{value}", annotation)
    key = server.resource_keys.of(f"shop://things/{one}")
    assert key == server.resource_keys.of(f"SHOP://things/{other}")
    elsewhere = make("shop://things/{value}", annotation)
    assert key == elsewhere.resource_keys.of(f"shop://things/{one}")


@pytest.mark.parametrize(("annotation", "one", "other"), DIFFERENT)
def test_values_that_a_handler_tells_apart_name_different_resources(
    annotation: Any, one: str, other: str
) -> None:
    """Our choice."""
    server = make("shop://things/{value}", annotation)
    one, other = f"shop://things/{one}", f"shop://things/{other}"
    assert server.resource_keys.of(one) != server.resource_keys.of(other)


@pytest.mark.parametrize(
    ("template", "annotation", "default", "one", "other"),
    [
        ("x://a{?value}", int, 1, "x://a", "x://a?value=1"),
        ("x://a{?value*}", set[str], (), "x://a?value=a&value=b", "x://a?value=b&value=a"),
        ("x://a{/value*}", list[int], (), "x://a/1/2", "x://a/01/02"),
    ],
)  # fmt: skip
def test_values_that_are_left_out_or_in_another_order_are_looked_at_too(
    template: str, annotation: Any, default: Any, one: str, other: str
) -> None:
    """Our choice: what counts is what the handler gets."""
    server = make(template, annotation, default)
    assert server.resource_keys.of(one) == server.resource_keys.of(other)


def fail(text: str) -> str:
    """Be a validator of the site's own that fails."""
    raise RuntimeError(text)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, AfterValidator(fail)],
        Annotated[str, AfterValidator(Secret)],
        Annotated[str, AfterValidator(str.encode)],
        Annotated[str, AfterValidator(lambda text: Point(x=len(text)))],
        Annotated[str, AfterValidator(lambda text: {text: Point(x=1)})],
        Annotated[str, AfterValidator(lambda text: [text, None])],
        Annotated[str, AfterValidator(lambda text: frozenset({text}))],
    ],
)
def test_key_is_the_same_in_each_worker_whatever_the_value_is(annotation: Any) -> None:
    """Our choice: nothing of it depends on the process."""
    one, other = (make("x://{value}", annotation) for _ in range(2))
    assert one.resource_keys.of("x://a~b") == other.resource_keys.of("x://a%7Eb")
    assert one.resource_keys.of("x://a") != one.resource_keys.of("x://other")


def test_what_is_registered_later_is_looked_at_too() -> None:
    """Our choice: names that were kept are not those of other resources."""
    server = Server("later")
    keys = server.resource_keys
    assert keys.of("shop://X/07") != keys.of("shop://x/7")
    server.resource("shop://x/{id}")(int_of)
    assert keys.of("shop://x/07") == keys.of("shop://x/7")


def int_of(id: int) -> str:
    """Read something by its number."""
    return str(id)


def test_only_so_many_names_are_kept() -> None:
    """Our choice: whatever clients ask for."""
    server = Server("many")
    names = [server.resource_keys.of(f"X://{number}") for number in range(1002)]
    assert server.resource_keys.of("x://0") == names[0]
    assert len(server.resource_keys) == 1000


# Reading ----------------------------------------------------------------------------

site = Server("site")

FIXED = [
    "shop://fixed-ü/all",
    "https://example.com",
    "http://example.com:80/x",
    "https://host?query",
    "shop://percent/%c3",
    "shop://Stock",
    "shop://stock",
    "HTTPS://Shouting.example/a/../b",
    "https://bücher.example/",
]
for fixed in FIXED:
    site.resource(fixed)(lambda fixed=fixed: fixed)


@site.resource("HTTP://Example.COM/things/{id}")
def thing(id: str) -> str:
    """Read a thing."""
    return f"thing {id}"


@site.resource("note://{name}")
def note(name: str) -> str:
    """Read a note."""
    return f"note {name}"


@site.completion(thing, "id")
def complete_thing(value: str) -> list[str]:
    """Suggest things."""
    return ["1", "2"]


READ = [
    ("shop://fixed-%C3%BC/all", "shop://fixed-ü/all"),
    ("shop://fixed-%c3%bc/all", "shop://fixed-ü/all"),
    ("https://example.com/", "https://example.com"),
    ("https://EXAMPLE.com:443", "https://example.com"),
    ("http://example.com/x", "http://example.com:80/x"),
    ("https://host/?query", "https://host?query"),
    ("shop://percent/%C3", "shop://percent/%c3"),
    ("shop://Stock", "shop://Stock"),
    ("shop://stock", "shop://stock"),
    ("shop://STOCK", "shop://Stock"),
    ("shop://stock/", "shop://Stock"),
    ("https://shouting.example/b", "HTTPS://Shouting.example/a/../b"),
    ("https://xn--bcher-kva.example/", "https://bücher.example/"),
    ("http://example.com/things/7", "thing 7"),
    ("HTTP://Example.COM/things/7", "thing 7"),
    ("http://example.com:80/things/A", "thing A"),
    ("http://example.com/things/a%2fb", "thing a/b"),
    ("note://Ann", "note Ann"),
    ("NOTE://ann", "note ann"),
]


@pytest.mark.parametrize(("uri", "expected"), READ)
async def test_resource_is_read_however_its_uri_is_written(
    uri: str, expected: str
) -> None:
    """Spec: RFC 3986, section 6.2.2 and 6.2.3; libraries change URIs on their way."""
    answer = await Caller(site).call("resources/read", {"uri": uri})
    [contents] = answer["contents"]
    assert contents["text"] == expected
    assert contents["uri"] == uri


@pytest.mark.parametrize(
    "uri",
    [
        "shop://fixed-ü/ALL",
        "https://example.com/x/y",
        "https://example.com:444",
        "http://example.com/Things/7",
        "shop://percent/c3",
        "note://a/b",
        "",
        "no uri",
    ],
)
async def test_other_uris_are_not_found(uri: str) -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling"."""
    error = await Caller(site).error_of("resources/read", {"uri": uri})
    assert (error.code, error.data) == (-32002, {"uri": uri})


async def test_uri_that_is_too_long_is_not_looked_for() -> None:
    """Our choice: the work for one request is bounded."""
    uri = "note://" + "a" * 8000
    error = await Caller(site).error_of("resources/read", {"uri": uri})
    assert (error.code, error.message, error.data) == (
        -32602,
        "the URI is 8007 characters long; 8000 are allowed",
        None,
    )
    assert list(matches(site.resources, uri)) == []
    assert site.resource_keys.of(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "HTTP://Example.COM/things/{id}",
        "http://example.com/things/{id}",
        "http://example.com/things/%7Bid%7D",
        "http://EXAMPLE.com:80/things/%7bid%7d",
    ],
)
async def test_completion_is_found_however_its_template_is_written(uri: str) -> None:
    """Spec: 2025-11-25 server/utilities/completion."""
    reference = {"type": "ref/resource", "uri": uri}
    params = {"ref": reference, "argument": {"name": "id", "value": ""}}
    answer = await Caller(site).call("completion/complete", params)
    assert answer["completion"]["values"] == ["1", "2"]


async def test_completion_of_another_template_is_refused() -> None:
    """Spec: 2025-11-25 server/utilities/completion, "Error Handling"."""
    for uri in ("http://example.com/Things/{id}", "x" * 9000):
        reference = {"type": "ref/resource", "uri": uri}
        params = {"ref": reference, "argument": {"name": "id", "value": ""}}
        error = await Caller(site).error_of("completion/complete", params)
        assert error.code == -32602


async def test_resource_that_one_may_not_read_does_not_hide_one_like_it() -> None:
    """Our choice: the next that matches is tried, as for templates."""
    server = Server("two")
    server.resource("https://h", permission=lambda context: False)(lambda: "closed")
    server.resource("https://h/")(lambda: "open")
    answer = await Caller(server).call("resources/read", {"uri": "https://h"})
    assert answer["contents"][0]["text"] == "open"
