"""Which URLs name an endpoint, and which tokens are for it."""

from __future__ import annotations

import string
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.urls import include, path
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django import Server
from mcp_django.oauth.resources import (
    ProtectedResource,
    find_resource,
    normal_form,
    origin_of,
    resource_at,
    resource_of,
)
from tests.oauth.urlconfs import root_urlconf
from tests.site.mcp import server as site

SITE = "http://testserver"


def asked(path: str, **extra: Any) -> HttpRequest:
    """Give a request for a path of the site."""
    return RequestFactory().post(path, **extra)


def at(path: str, **extra: Any) -> ProtectedResource:
    """Give the resource at a path, which there is."""
    found = resource_of(asked(path, **extra))
    assert found is not None
    return found


# What is asked --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "url", "asked_url", "suffix"),
    [
        ("/mcp", "/mcp", "/mcp", "/mcp"),
        ("/mcp/", "/mcp", "/mcp/", "/mcp/"),
        ("/mcp/sse", "/mcp", "/mcp/sse", "/mcp/sse"),
        ("/mcp/messages", "/mcp", "/mcp/sse", "/mcp/sse"),
        ("/mcp/messages?session_id=1", "/mcp", "/mcp/sse", "/mcp/sse"),
        ("/under/a/b/tools/", "/under/a/b/tools", *["/under/a/b/tools/"] * 2),
    ],
)
def test_every_binding_is_the_same_resource_and_names_what_was_asked(
    path: str, url: str, asked_url: str, suffix: str
) -> None:
    """Spec: RFC 9728, 3.3: clients compare what they asked with what is said."""
    found = at(path)

    assert found.server is site
    assert found.url == f"{SITE}{url}"
    assert found.asked_url == f"{SITE}{asked_url}"
    assert found.metadata_url == f"{SITE}/.well-known/oauth-protected-resource{suffix}"


def test_endpoints_of_one_server_are_resources_by_themselves() -> None:
    """Chosen: a token for one shop opens no other."""
    here, there = at("/under/a/shop/tools"), at("/under/a/mill/tools")

    assert here.accepts([here.url]) and there.accepts([there.url])
    assert not here.accepts([there.url]) and not there.accepts([here.url])
    assert not here.accepts([at("/mcp").url])


@pytest.mark.parametrize("path", ["/", "/elsewhere", "/mcp/elsewhere", "/admin/"])
def test_where_no_endpoint_is_there_is_no_resource(path: str) -> None:
    """Chosen: its own views are the project's business."""
    assert resource_of(asked(path)) is None
    assert find_resource(f"{SITE}{path}", asked("/mcp")) is None


def test_endpoint_at_the_root_is_named_with_a_slash() -> None:
    """Spec: RFC 9728, 3.1: what follows the host alone is left out of the suffix."""
    server = Server("at-the-root")
    with root_urlconf(*server.urls("")):
        root = at("/")
        assert (root.url, root.asked_url) == (f"{SITE}/", f"{SITE}/")
        assert root.metadata_url == f"{SITE}/.well-known/oauth-protected-resource"
        for url in (SITE, f"{SITE}/", f"{SITE}/sse"):
            assert root.accepts([url])
            assert find_resource(url, asked("/")) is not None
        assert at("/sse").url == f"{SITE}/"
        assert at("/messages").url == f"{SITE}/"


def test_endpoint_that_has_a_slash_alone_is_named_with_it() -> None:
    """Chosen: the URL that is published has to work; without it is the same, still."""
    with root_urlconf(path("tools/", include(Server("slashed").urls("")))):
        found = at("/tools/")
        assert found.url == f"{SITE}/tools/"
        assert found.accepts([f"{SITE}/tools"])
        assert found.accepts([f"{SITE}/tools/sse"])
        assert at("/tools/sse").url == f"{SITE}/tools/"


def test_what_belongs_to_another_server_never_counts_as_the_same() -> None:
    """Chosen: though its path has the same beginning."""
    outer, inner = Server("outer"), Server("inner")
    with root_urlconf(*inner.urls("mcp/sse"), *outer.urls("mcp")):
        assert at("/mcp").accepts([f"{SITE}/mcp/"])
        assert not at("/mcp").accepts([f"{SITE}/mcp/sse"])
        assert at("/mcp/sse").server is inner
        assert at("/mcp/sse").url == f"{SITE}/mcp/sse"
        assert not at("/mcp/sse").accepts([f"{SITE}/mcp"])
        assert at("/mcp/messages").accepts([f"{SITE}/mcp"])


def test_server_at_a_path_that_ends_in_sse_has_all_its_bindings() -> None:
    """Chosen: the word means nothing by itself."""
    with root_urlconf(*Server("named-sse").urls("sse")):
        assert at("/sse").url == f"{SITE}/sse"
        assert at("/sse/sse").url == f"{SITE}/sse"
        assert at("/sse").accepts([f"{SITE}/sse/sse"])


def test_stream_without_an_endpoint_above_is_a_resource_itself() -> None:
    """Chosen: a project may have taken the two URLs of HTTP+SSE alone."""
    with root_urlconf(*Server("old").urls("mcp")[2:]):
        for path_ in ("/mcp/sse", "/mcp/messages"):
            assert at(path_).url == f"{SITE}/mcp/sse"
            assert at(path_).accepts([f"{SITE}/mcp/sse"])
            assert not at(path_).accepts([f"{SITE}/mcp"])


def test_languages_in_paths_are_parts_of_the_name() -> None:
    """Chosen: what the user typed is what counts."""
    patterns = i18n_patterns(*Server("many").urls("mcp"))
    with root_urlconf(*patterns, LANGUAGE_CODE="en"):
        assert at("/de/mcp/").url == f"{SITE}/de/mcp"
        assert not at("/de/mcp").accepts([at("/en/mcp").url])
        assert find_resource(f"{SITE}/de/mcp", asked("/en/mcp")) is not None


@pytest.mark.parametrize("forced", [True, False])
def test_script_name_is_a_part_of_the_name(settings: Settings, forced: bool) -> None:
    """Spec: RFC 9728, 3.3: the URL that the user typed."""
    if forced:
        settings.FORCE_SCRIPT_NAME = "/app/"
    request = asked("/mcp", SCRIPT_NAME="/app")
    found = resource_of(request)

    assert found is not None
    assert found.url == f"{SITE}/app/mcp"
    assert found.metadata_url == (
        f"{SITE}/app/.well-known/oauth-protected-resource/app/mcp"
    )
    assert find_resource(f"{SITE}/app/mcp/sse", request) is not None
    assert find_resource(f"{SITE}/mcp", request) is None
    for path_ in ("/app/mcp", "/mcp"):
        described = resource_at(path_, request)
        assert described is not None and described.asked_url == f"{SITE}/app/mcp"


def test_script_name_that_a_client_made_up_is_none() -> None:
    """Chosen: Daphne takes one from any client, for any path."""
    request = asked("/mcp")
    request.META["SCRIPT_NAME"] = "/elsewhere"
    found = resource_of(request)

    assert found is not None and found.url == f"{SITE}/mcp"


@pytest.mark.parametrize("below", ["/team", "/team/", "/team/."])
@pytest.mark.parametrize("suffix", ["", "/", "/sse"])
def test_no_script_name_leads_from_one_endpoint_to_another(
    below: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a token for /team/mcp is none for /mcp, whatever its client makes up."""
    one, two = Server("one"), Server("two")
    with root_urlconf(*one.urls("mcp"), *two.urls("team/mcp"), *one.urls("a")):
        request = asked(f"/mcp{suffix}", SCRIPT_NAME=below)
        assert resource_of(request) is None
        assert "FORCE_SCRIPT_NAME" in caplog.text
        url = f"{SITE}/team/mcp{suffix}"
        assert find_resource(url, request) is None
        found = find_resource(url, asked("/team/mcp"))
        assert found is not None and found.server is two
        assert at("/a", SCRIPT_NAME=below.rstrip("/.")).url == f"{SITE}/team/a"
        with override_settings(FORCE_SCRIPT_NAME="/team"):
            assert at("/mcp", SCRIPT_NAME="/team").server is one


# The site -------------------------------------------------------------------------


def test_origin_is_what_the_request_says(settings: Settings) -> None:
    """Chosen: without a default port, in lower case, behind a proxy too."""
    settings.ALLOWED_HOSTS = ["site.example", ".many.example"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for host, secure, origin in (
        ("site.example", True, "https://site.example"),
        ("Site.Example:443", True, "https://site.example"),
        ("site.example:443", False, "http://site.example:443"),
        ("a.many.example.:8443", True, "https://a.many.example:8443"),
    ):
        proto = "https" if secure else "http"
        request = asked("/mcp", HTTP_HOST=host, HTTP_X_FORWARDED_PROTO=proto)
        assert origin_of(request) == origin
        assert at("/mcp", HTTP_HOST=host, HTTP_X_FORWARDED_PROTO=proto).url == (
            f"{origin}/mcp"
        )


def test_public_url_goes_before_what_requests_say(settings: Settings) -> None:
    """Chosen: some proxies pass neither host nor scheme on."""
    settings.MCP = {"PUBLIC_URL": "https://Site.example/"}

    assert at("/mcp").url == "https://site.example/mcp"
    assert at("/mcp").accepts(["https://site.example/mcp"])
    assert not at("/mcp").accepts([f"{SITE}/mcp"])
    assert find_resource(f"{SITE}/mcp", asked("/mcp")) is None


@pytest.mark.parametrize(
    ("allowed", "host"), [(["site.example"], "evil.example"), (["*"], "evil.example")]
)
def test_host_that_is_not_the_sites_names_nothing(
    settings: Settings, allowed: list[str], host: str
) -> None:
    """Chosen: nor where every host is allowed, as at the gate."""
    settings.ALLOWED_HOSTS = allowed
    request = asked("/mcp", HTTP_HOST=host)

    assert resource_of(request) is None
    assert find_resource(f"http://{host}/mcp", request) is None
    with pytest.raises(DisallowedHost):
        origin_of(request)


def test_where_every_host_is_allowed_the_gates_own_list_counts(
    settings: Settings,
) -> None:
    """Chosen: loopback names, too, as in development."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.MCP = {"ALLOWED_HOSTS": ["site.example"]}

    assert at("/mcp", HTTP_HOST="site.example").url == "http://site.example/mcp"
    assert at("/mcp", HTTP_HOST="127.0.0.1:80").url == "http://127.0.0.1/mcp"
    assert at("/mcp", HTTP_HOST="[::1]:8000").url == "http://[::1]:8000/mcp"


# Audiences --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "audience",
    [
        f"{SITE}/mcp",
        f"{SITE}/mcp/",
        f"{SITE}/mcp/sse",
        "HTTP://TestServer/mcp",
        "http://testserver:80/mcp",
        "http://testserver:/mcp",
        "http://testserver./mcp",
        "http://testserver.:80/mcp",
        "http://testserver/%6Dcp",
        "http://test%73erver/mcp",
        "http://testserver/x/../mcp",
    ],
)
def test_audience_that_means_the_endpoint_is_accepted(audience: str) -> None:
    """Spec: RFC 3986, 6.2.2 and 6.2.3; what is chosen beside is the issue of SSE."""
    assert at("/mcp").accepts([audience])
    assert at("/mcp/sse").accepts(["https://elsewhere.example", audience])
    assert at("/mcp/messages").accepts([audience])
    found = find_resource(audience, asked("/mcp"))
    assert found is not None and found.url == f"{SITE}/mcp"


NOT_OURS: list[Any] = [
    "",
    SITE,
    f"{SITE}/",
    f"{SITE}/m",
    f"{SITE}/MCP",
    f"{SITE}/mcp//",
    f"{SITE}/mcp/s",
    f"{SITE}/mcp/sse/",
    f"{SITE}/mcp/messages",
    f"{SITE}/mcp%2Fsse",
    f"{SITE}/mcp%2F",
    f"{SITE}//mcp",
    f"{SITE}/mcp?",
    f"{SITE}/mcp?a=1",
    f"{SITE}/mcp#",
    f"{SITE}/mcp#part",
    f"{SITE}/mcp ",
    f" {SITE}/mcp",
    f"{SITE}/mcp\n",
    f"{SITE}/mcp\x00",
    f"{SITE}\\mcp",
    f"{SITE}/mcp;a",
    "http://user@testserver/mcp",
    "http://user:word@testserver/mcp",
    "http://@testserver/mcp",
    "http://testserver@evil.example/mcp",
    "http://testserver:8000/mcp",
    "http://testserver:080/mcp",
    "http://testserver../mcp",
    "http://.testserver/mcp",
    "http://testserver.evil.example/mcp",
    "https://testserver/mcp",
    "ws://testserver/mcp",
    "//testserver/mcp",
    "/mcp",
    "mcp",
    "http:/testserver/mcp",
    "http:testserver/mcp",
    "http:///mcp",
    "site",
    "\ud800",
    f"{SITE}/\ud800",
    f"{SITE}/{'a' * 10_000}",
    None,
    7,
    b"http://testserver/mcp",
]


@pytest.mark.parametrize("audience", NOT_OURS)
def test_audience_that_means_something_else_is_not_accepted(audience: Any) -> None:
    """Spec: 2025-11-25 basic/authorization, "Token Handling"; RFC 8707, 2."""
    for path_ in ("/mcp", "/mcp/", "/mcp/sse", "/mcp/messages"):
        assert not at(path_).accepts([audience])
    assert find_resource(audience, asked("/mcp")) is None


def test_no_audience_is_none_of_ours() -> None:
    """Spec: 2025-11-25 basic/authorization: a token has to be issued for us."""
    assert not at("/mcp").accepts([])


@st.composite
def other_writings(draw: st.DrawFn) -> str:
    """Give a URL that RFC 3986 says is that of the endpoint."""

    def in_any_case(text: str) -> str:
        return "".join(draw(st.sampled_from([c.lower(), c.upper()])) for c in text)

    def in_any_encoding(text: str) -> str:
        return "".join(
            draw(st.sampled_from([c, f"%{ord(c):02X}", f"%{ord(c):02x}"])) for c in text
        )

    host = in_any_case("testserver") + draw(st.sampled_from(["", "."]))
    port = draw(st.sampled_from(["", ":", ":80"]))
    end = draw(st.sampled_from(["", "/", "/sse"]))
    return f"{in_any_case('http')}://{host}{port}/{in_any_encoding('mcp')}{end}"


@given(other_writings())
def test_every_way_to_write_the_url_is_the_same(url: str) -> None:
    """Spec: RFC 3986, 6.2.2 and 6.2.3."""
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        assert at("/mcp").accepts([url])
        found = find_resource(url, asked("/mcp"))
        assert found is not None and found.url == f"{SITE}/mcp"


@given(
    st.text(string.ascii_letters + string.digits + "/%.:@?#;-_~ \\\u00e9", max_size=20),
    st.integers(0, len(f"{SITE}/mcp")),
)
def test_whatever_is_written_into_the_url_makes_it_another_or_the_same(
    written: str, place: int
) -> None:
    """Chosen: what is accepted is one of the three URLs when it is written plainly."""
    url = f"{SITE}/mcp"
    changed = url[:place] + written + url[place:]

    is_accepted = at("/mcp").accepts([changed])

    plain = (url, f"{url}/", f"{url}/sse")
    assert is_accepted == (normal_form(changed) in plain)
    assert is_accepted == (find_resource(changed, asked("/mcp")) is not None)
    assert not is_accepted or not set("?#@ \\") & set(changed)


@given(st.text())
def test_normal_form_of_anything_is_a_normal_form_or_none(text: str) -> None:
    """Chosen: audiences are written by others."""
    written = normal_form(text)
    assert written is None or normal_form(written) == written
