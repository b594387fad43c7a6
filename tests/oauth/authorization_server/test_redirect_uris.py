"""What a redirect URI is, and which of them match."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_django.oauth.authorization_server.redirect_uris import (
    is_registered,
    parse_redirect_uri,
)

KNOWN = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://vscode.dev/redirect",
    "https://app.example:8443/callback?from=mcp",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "com.example.app:/callback",
    "http://127.0.0.1/callback",
    "http://[::1]:3000/callback?a=b",
    "http://localhost:33418/",
    "http://localhost",
]


@pytest.mark.parametrize("uri", KNOWN)
def test_what_clients_register_is_a_redirect_uri_and_matches_itself(uri: str) -> None:
    """Spec: RFC 9700, section 2.1."""
    assert parse_redirect_uri(uri).text == uri
    assert is_registered(uri, KNOWN)


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("", "it is not absolute"),
        ("/callback", "it is not absolute"),
        ("//app.example/callback", "it is not absolute"),
        ("https:", "it has no host, or a wrong one"),
        ("https:/app.example/callback", "it has no host, or a wrong one"),
        ("https:///callback", "it has no host, or a wrong one"),
        ("https://?a", "it has no host, or a wrong one"),
        ("https://a:b:c/", "it has no host, or a wrong one"),
        ("https://app.example:/cb", "it has no host, or a wrong one"),
        ("https://app.example:0/cb", "there is no such port"),
        ("https://app.example:65536/cb", "there is no such port"),
        ("https://[::1/cb", "it has no host, or a wrong one"),
        ("https://[1::2::3]/cb", "its host is not an IPv6 address"),
        ("https://user@app.example/cb", "it names a user before its host"),
        ("https://claude.ai:443@evil.example/cb", "it names a user before its host"),
        ("cursor://@host/cb", "it names a user before its host"),
        ("https://app.example/cb#", "it has a fragment"),
        ("https://app.example/cb#x", "it has a fragment"),
        ("urn:ietf:wg:oauth:2.0:oob", "there is no '/' after its scheme"),
        ("javascript:alert(1)", "there is no '/' after its scheme"),
        *(
            (
                f"https://app.example/{odd}",
                "it has blanks or other characters that no URI has",
            )
            for odd in (
                "a b",
                "a\tb",
                "a\n",
                "\x00",
                "é",
                "\ud800",
                "a\\b",
                "a%2",
                "<a>",
            )
        ),
        (
            "https://app.example\\@evil.example/",
            "it has blanks or other characters that no URI has",
        ),
        (" https://app.example/", "it has blanks or other characters that no URI has"),
        ("https://app.example/" + "a" * 2048, "it is longer than 2048 characters"),
    ],
)
def test_what_is_no_redirect_uri_is_said(uri: str, fault: str) -> None:
    """Spec: RFC 6749, section 3.1.2; none of them matches, not even itself."""
    with pytest.raises(ValueError, match=fault.replace("'", ".")):
        parse_redirect_uri(uri)
    assert not is_registered(uri, [uri])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("registered_port", ["", ":1", ":33418"])
@pytest.mark.parametrize("asked_port", ["", ":1", ":65535"])
def test_port_of_a_loopback_uri_may_be_any(
    host: str, registered_port: str, asked_port: str
) -> None:
    """Spec: RFC 8252, section 7.3; that of localhost is what clients need."""
    registered = [f"http://{host}{registered_port}/callback?a=b"]

    assert is_registered(f"http://{host}{asked_port}/callback?a=b", registered)
    assert not is_registered(f"http://{host}{asked_port}/callback?a=c", registered)
    assert not is_registered(f"http://{host}{asked_port}/callback", registered)
    assert not is_registered(f"http://{host}{asked_port}/callback/", registered)


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        # Another host, scheme or port.
        ("http://localhost/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://[::1]/cb"),
        ("http://127.0.0.2/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1.evil.example/cb", "http://127.0.0.1/cb"),
        ("http://localhost.evil.example:80/cb", "http://localhost/cb"),
        ("https://127.0.0.1:1/cb", "http://127.0.0.1/cb"),
        ("https://127.0.0.1:1/cb", "https://127.0.0.1:2/cb"),
        ("https://app.example:444/cb", "https://app.example/cb"),
        ("https://app.example:443/cb", "https://app.example/cb"),
        ("http://app.example/cb", "https://app.example/cb"),
        ("http://app.example:1/cb", "http://app.example:2/cb"),
        # Tricks with what stands before the host.
        ("http://localhost:80@evil.example/cb", "http://localhost/cb"),
        ("http://x@localhost/cb", "http://localhost/cb"),
        ("http://localhost:80\\@evil.example/cb", "http://localhost/cb"),
        # More, or less, than what is registered.
        ("https://app.example/cb/more", "https://app.example/cb"),
        ("https://app.example/cb?more", "https://app.example/cb"),
        ("https://app.example/cb?", "https://app.example/cb"),
        ("https://app.example/cb;more", "https://app.example/cb"),
        ("https://app.example/cb%2fmore", "https://app.example/cb"),
        ("https://app.example/", "https://app.example"),
        ("https://app.example/x/../cb", "https://app.example/cb"),
        ("https://sub.app.example/cb", "https://app.example/cb"),
        ("https://sub.app.example/cb", "https://*.app.example/cb"),
        ("https://APP.example/cb", "https://app.example/cb"),
        (
            "cursor://other/oauth/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ),
        ("com.example.app://callback", "com.example.app:/callback"),
        ("com.example.app:/callback/2", "com.example.app:/callback"),
        # What parsers leave out, the browser would have been sent.
        ("https://app.example/cb\n", "https://app.example/cb"),
        ("https://app.exa\tmple/cb", "https://app.example/cb"),
        ("\x00https://app.example/cb", "https://app.example/cb"),
    ],
)
def test_nothing_else_matches(asked: str, registered: str) -> None:
    """Spec: RFC 9700, section 2.1, "exact string matching"."""
    assert not is_registered(asked, [registered])
    assert not is_registered(registered, [asked])


ports = st.integers(1, 65535)
segments = st.text("abcXYZ019-._~!$&'()*+,;=:@", max_size=8)
paths = st.lists(segments, max_size=4).map(
    lambda parts: "".join(f"/{p}" for p in parts)
)
queries = st.one_of(st.just(""), segments.map("?{}".format))
loopback_hosts = st.sampled_from(["127.0.0.1", "[::1]", "localhost"])
hosts = st.one_of(
    loopback_hosts,
    st.from_regex(r"[a-z][a-z0-9]{0,5}(\.[a-z]{2,3}){1,2}", fullmatch=True),
)
schemes = st.sampled_from(["http", "https", "cursor", "com.example.app"])


@st.composite
def uris(draw: st.DrawFn) -> str:
    """Give a well-formed redirect URI."""
    port = draw(st.one_of(st.just(""), ports.map(":{}".format)))
    host, path, query = draw(hosts), draw(paths), draw(queries)
    return f"{draw(schemes)}://{host}{port}{path}{query}"


@given(uris())
def test_every_well_formed_uri_matches_itself(uri: str) -> None:
    """Spec: RFC 9700, section 2.1."""
    assert is_registered(uri, [uri])


@given(uris(), uris())
def test_what_matches_goes_to_the_same_place(asked: str, registered: str) -> None:
    """Chosen: by Python's own parser, all but the port of a loopback is the same."""
    one, other = urlsplit(asked), urlsplit(registered)
    is_same = one == other or (
        one.scheme == "http"
        and one.hostname in ("127.0.0.1", "::1", "localhost")
        and one._replace(netloc="") == other._replace(netloc="")
        and one.hostname == other.hostname
    )
    # The parser does not tell an empty query from none.
    is_same = is_same and ("?" in asked) == ("?" in registered)

    assert is_registered(asked, [registered]) == is_same


@given(loopback_hosts, ports, ports, paths, queries)
def test_ports_of_loopback_never_matter(
    host: str, one: int, other: int, path: str, query: str
) -> None:
    """Spec: RFC 8252, section 7.3."""
    registered = f"http://{host}:{one}{path}{query}"
    assert is_registered(f"http://{host}:{other}{path}{query}", [registered])
    assert is_registered(f"http://{host}{path}{query}", [registered])


@given(uris(), st.text(min_size=1), st.data())
def test_a_uri_with_something_put_into_it_is_another(
    uri: str, more: str, data: st.DataObject
) -> None:
    """Chosen: no prefix, suffix or insertion; digits may make another port."""
    place = data.draw(st.integers(0, len(uri)))
    changed = uri[:place] + more + uri[place:]
    assume(not (urlsplit(uri).scheme == "http" and set(more) <= set(":0123456789")))

    assert not is_registered(changed, [uri])
    assert not is_registered(uri, [changed])


@given(st.text())
def test_whatever_comes_is_taken_or_refused_and_never_split(text: str) -> None:
    """Chosen: nothing raises but ValueError, and what is taken is one URI."""
    try:
        parsed = parse_redirect_uri(text)
    except ValueError:
        assert not is_registered(text, [text])
    else:
        assert parsed.text.split() == [text]
