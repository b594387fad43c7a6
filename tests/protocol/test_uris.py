"""URIs: which of them name the same resource."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, ValidationError

from mcp_django.protocol.uris import UriSet, fold, normalize

SAME: list[tuple[str, str]] = [
    # 6.2.2.1 case
    ("shop://x/%c3%bc", "shop://x/%C3%BC"),
    ("SHOP://x/y", "shop://x/y"),
    ("HTTP://Example.COM/Things/1", "http://example.com/Things/1"),
    ("https://User@Example.com/", "https://User@example.com/"),
    ("URN:isbn:X", "urn:isbn:X"),
    # 6.2.2.2 percent-encoding
    ("shop://x/a%7Eb%2Dc%2e%5F", "shop://x/a~b-c._"),
    ("shop://x/%41%7a%39", "shop://x/Az9"),
    ("http://ex%41mple.com/", "http://example.com/"),
    # 6.2.2.3 dot segments
    ("shop://x/a/../b/./c", "shop://x/b/c"),
    ("shop://x/a/%2e%2E/b", "shop://x/b"),
    ("shop://x/..", "shop://x/"),
    ("shop://x/a/.", "shop://x/a/"),
    ("shop://x/../../a", "shop://x/a"),
    ("x:/a/./b", "x:/a/b"),
    # 6.2.3 scheme-based
    ("https://example.com", "https://example.com/"),
    ("https://example.com:443/x", "https://example.com/x"),
    ("http://example.com:80", "http://example.com/"),
    ("ws://h:80/x", "ws://h/x"),
    ("wss://h:443/x", "wss://h/x"),
    ("ftp://h:21/x", "ftp://h/x"),
    ("https://host?query", "https://host/?query"),
    ("https://host#part", "https://host/#part"),
    ("https://u@H:443", "https://u@h/"),
    ("http://[::1]:80/", "http://[::1]/"),
    ("shop://x:/a", "shop://x/a"),
    # RFC 3987: IRIs
    ("shop://products/Grün", "shop://products/Gr%C3%BCn"),
    ("shop://products/gr%c3%bcn", "shop://products/grün"),
    ("shop://fixed-ü/all", "shop://fixed-%C3%BC/all"),
    ("shop://products/Tea Set", "shop://products/Tea%20Set"),
    ("shop://x/?q=ü#ü", "shop://x/?q=%C3%BC#%C3%BC"),
    ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
    ("https://BÜCHER.example/", "https://bücher.example/"),
    ("https://B%C3%BCcher.example/", "https://bücher.example/"),
    # A template's text, as a completion refers to it.
    ("HTTP://Example.COM/things/{id}", "http://example.com/things/%7Bid%7D"),
]

DIFFERENT: list[tuple[str, str]] = [
    ("shop://x/a%2Fb", "shop://x/a/b"),
    ("shop://x/a%3Fb", "shop://x/a?b"),
    ("shop://x/a%23b", "shop://x/a#b"),
    ("shop://x/a%2Bb", "shop://x/a+b"),
    ("shop://x/a%25b", "shop://x/a%b"),
    ("shop://x/it%27s", "shop://x/it's"),
    ("shop://x/a", "shop://x/A"),
    ("shop://x/a", "shop://x/a/"),
    ("shop://x/a", "shop://x//a"),
    ("shop://x/a?", "shop://x/a"),
    ("shop://x/a#", "shop://x/a"),
    ("shop://x/a?B=1", "shop://x/a?b=1"),
    ("shop://x/a?p=a/../b", "shop://x/a?p=b"),
    ("https://example.com:8443/", "https://example.com/"),
    ("http://example.com:443/", "http://example.com/"),
    ("http://example.com/", "https://example.com/"),
    ("shop://x:80/a", "shop://x/a"),
    ("https://User@h/", "https://user@h/"),
    ("shop:opaque/../x", "shop:x"),
    ("urn:a:B", "urn:a:b"),
    ("x:/.//b", "x://b"),
    ("shop://x/ä", "shop://x/a\u0308"),
]

ONLY_FOLDED: list[tuple[str, str]] = [
    ("note://Ann", "note://ann"),
    ("shop://Stock/all", "shop://stock/all"),
    ("shop://u@Stock/all", "shop://u@stock/all"),
    ("shop://stock", "shop://stock/"),
    ("shop://stock?x", "shop://stock/?x"),
    ("https://h/?q=it's", "https://h/?q=it%27s"),
]
"""The same by the RFC for all schemes, or to browsers."""


@pytest.mark.parametrize(("one", "other"), SAME)
def test_ways_to_write_one_uri_become_the_same(one: str, other: str) -> None:
    """Spec: RFC 3986, section 6.2.2 and 6.2.3; RFC 3987, section 3.1."""
    assert normalize(one) == normalize(other)
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris_stay_different(one: str, other: str) -> None:
    """Spec: RFC 3986, section 6.1: false positives are to be avoided."""
    assert normalize(one) != normalize(other)
    assert fold(one) != fold(other)


@pytest.mark.parametrize(("one", "other"), ONLY_FOLDED)
def test_what_a_made_up_scheme_may_mean_is_the_same_only_when_folded(
    one: str, other: str
) -> None:
    """Our choice: `note://Ann` may be another note than `note://ann`."""
    assert normalize(one) != normalize(other)
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("HTTPS://EXAMPLE.com:443/%7Efoo/../b%61r?a=%c3", "https://example.com/bar?a=%C3"),
        ("shop://orders/7", "shop://orders/7"),
        ("no uri at all", "no%20uri%20at%20all"),
        ("", ""),
        ("http://a:b:c/x", "http://a:b:c/x"),
        ("shop://%zz/100%", "shop://%zz/100%"),
        ("shop://\ud800/%c3", "shop://\ud800/%c3"),
        ("http://ü" + "ü" * 70 + "/", "http://" + "%C3%BC" * 71 + "/"),
        ("http://" + "ü" * 300 + "/", "http://" + "%C3%BC" * 300 + "/"),
        ("http://ü%2f/", "http://%C3%BC%2F/"),
        ("http://ü%ff/", "http://%C3%BC%FF/"),
        ("shop:///a", "shop:///a"),
        ("http:x", "http:x"),
    ],
)  # fmt: skip
def test_uri_is_written_in_one_way(uri: str, expected: str) -> None:
    """Our choice of which; what is no URI is left alone as far as it can be."""
    assert normalize(uri) == expected


TEXTS = st.text(st.sampled_from("aZ09-._~:/?#[]@!$&'()*+,;=%2eE ü\\{}\n"), max_size=40)
URIS = st.builds(
    "{}:{}{}".format,
    st.sampled_from(["http", "HTTPS", "shop", "URN"]),
    st.sampled_from(["", "//", "///"]),
    TEXTS,
)


@given(uri=URIS | TEXTS | st.text())
def test_uri_that_is_normal_stays_so(uri: str) -> None:
    """Our choice: else the same would not always become the same."""
    assert normalize(normalize(uri)) == normalize(uri)
    assert fold(fold(uri)) == fold(uri)
    assert fold(normalize(uri)) == fold(uri)


@given(
    scheme=st.sampled_from(["http", "HTTPS", "shop", "Note", "ws"]),
    host=st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9-]{0,6}(\.[a-zA-Z]{2,3})?\Z"),
    port=st.sampled_from(["", ":", ":80", ":443", ":8000"]),
    rest=st.text(st.sampled_from("aZ09-._~:/@!$&'()*+,;=2eü?#"), max_size=20),
)
def test_what_pydantic_makes_of_a_uri_is_the_same(
    scheme: str, host: str, port: str, rest: str
) -> None:
    """Our choice: official SDKs read URIs with it, and send what comes out."""
    uri = f"{scheme}://{host}{port}" + (f"/{rest}" if rest else "")
    try:
        changed = str(AnyUrl(uri))
    except ValidationError:
        return
    assert fold(changed) == fold(uri)


@pytest.mark.parametrize(
    "piece", ["%41", "/..", "/.", "a", "ü", "@", ":", "[", "//", "%zz", "?", "#"]
)
@pytest.mark.parametrize("begin", ["http://h/", "http://", "x:", ""])
def test_long_uris_take_linear_time(begin: str, piece: str) -> None:
    """Our choice: what took quadratic time would not end here."""
    count = 50_000 // len(piece)
    assert fold(begin + piece * count) == fold(fold(begin + piece * count))


# Sets -------------------------------------------------------------------------------


def test_set_finds_uris_by_any_way_to_write_them() -> None:
    """Our choice: and gives them back as they were written."""
    uris = UriSet()
    assert not list(uris)
    assert uris.written("x://a~") == []
    for uri in ("x://a~", "X://a%7e", "x://b"):
        uris.add(uri)
        uris.add(uri)
    assert list(uris) == ["x://a~", "X://a%7e", "x://b"]
    assert len(uris) == 3
    assert "x://a%7E" in uris
    assert "x://A~" not in uris
    assert uris.written("x://a%7E") == ["x://a~", "X://a%7e"]


def test_set_lets_go_of_what_was_written_so_or_else_of_all_that_is_the_same() -> None:
    """Our choice: a client may end a subscription by another way to write its URI."""
    uris = UriSet()
    for uri in ("x://a~", "X://a%7e", "x://a%7e", "x://b"):
        uris.add(uri)
    assert uris.remove("X://a%7e") == ["X://a%7e"]
    assert uris.remove("x://a%7E") == ["x://a~", "x://a%7e"]
    assert uris.remove("x://a~") == []
    assert list(uris) == ["x://b"]
    uris.clear()
    assert "x://b" not in uris


def test_set_may_know_more_of_its_uris() -> None:
    """Our choice: such as which arguments they give."""
    uris = UriSet(str.lower)
    uris.add("x://A")
    assert uris.written("x://a") == ["x://A"]
