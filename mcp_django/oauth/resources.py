"""An MCP endpoint as OAuth sees it: the resource that a token is good for.

Each endpoint is a resource of its own, named by its URL. The same with a closing slash,
and `/sse` below it, count as the same; `/messages` takes the tokens of both.

Spec: RFC 8707, section 2; RFC 9728, sections 2 and 3; 2025-11-25 basic/authorization,
"Canonical Server URI".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import translation

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.consumers.gate import is_allowed_host
from mcp_django.protocol.uris import MAX_CHARACTERS, normalize
from mcp_django.server.endpoints import Binding, Endpoint
from mcp_django.server.routes import (
    endpoint_at,
    is_by_path_alone,
    is_setting_of_routes,
    routes,
)
from mcp_django.server.server import Server
from mcp_django.server.texts import Text

logger = FaultLog("mcp_django.oauth")

DOCUMENT: Final = "oauth-protected-resource"
"""Name of the document that describes a resource. Spec: RFC 9728, section 3."""

_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
"""Spec: RFC 3986, section 3.3."""

_WEB: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/]+)(?P<path>/.*)")
_NO_URL: Final = re.compile(r"[\x00-\x20\x7f\\?#]")
"""What no URL of a resource has. Spec: RFC 8707, section 2, for fragments."""


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """An MCP endpoint, as authorization servers, tokens and clients name it.

    Attributes:
        server: The server that answers there.
        url: The canonical URL, which tokens name as their audience.
        asked_url: The URL by which the client came, or asked; what the metadata says.
        metadata_url: Where the metadata is that names `asked_url`.
        audiences: All URLs that count as the endpoint's, in normal form.
    """

    server: Server
    url: str
    asked_url: str
    metadata_url: str
    audiences: frozenset[str]

    @property
    def scopes(self) -> Mapping[str, Text]:
        """The scopes that the server knows, with what each allows, in words."""
        return self.server.scopes

    def accepts(self, audiences: Iterable[str]) -> bool:
        """Say whether a token for some audiences is for this endpoint.

        A prefix of the URL is another resource, and no audience is none.
        """
        return any(
            audience in self.audiences or normal_form(audience) in self.audiences
            for audience in audiences
        )


def resource_of(request: HttpRequest) -> ProtectedResource | None:
    """Give the endpoint whose URL a request asks, by whatever binding.

    Returns:
        The resource; None if no endpoint is there, or the host is not the site's.
    """
    try:
        origin = origin_of(request)
    except DisallowedHost:
        return None
    return _find(origin, _script_name_of(request), request.path_info, request)


def resource_at(path: str, request: HttpRequest) -> ProtectedResource | None:
    """Give the endpoint at a path of the site that a request asks.

    Args:
        path: The path, decoded; with the script name or without.
        request: Says which site.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    script_name = _script_name_of(request, path)
    path_info = _below(script_name, path)
    path_info = path if path_info is None else path_info
    return _find(origin_of(request), script_name, path_info, request)


def find_resource(url: str, request: HttpRequest) -> ProtectedResource | None:
    """Give the endpoint that a URL names, of the site that a request asks.

    What RFC 3986 says is the same is the same, such as `HTTPS://Site:443/mcp`. Nothing
    else is: no prefix, no query, no fragment, no user before the host.

    Args:
        url: Such as the parameter `resource`, or an audience.
        request: Says which site.

    Returns:
        The resource; None if the URL names none of this site.
    """
    written = normal_form(url)
    match = None if written is None else _WEB.fullmatch(written)
    if match is None:
        return None
    script_name = _script_name_of(request)
    path_info = _below(script_name, unquote(match["path"]))
    if path_info is None:
        return None
    try:
        found = _find(origin_of(request), script_name, path_info, request)
    except DisallowedHost:
        return None
    return found if found is not None and written in found.audiences else None


def sole_resource(request: HttpRequest) -> ProtectedResource | None:
    """Give the endpoint of a site that has one: at its root, or the only one.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    origin, script_name = origin_of(request), _script_name_of(request)
    if script_name != _given_script_name(request):
        return None  # It is not known whether the site is below it.
    root = _find(origin, script_name, "/", request)
    if root is not None:
        return root
    found: dict[str, ProtectedResource] = {}
    if not all(is_fixed for _, is_fixed in _all_paths()):
        return None
    for path_info in fixed_paths():
        resource = _find(origin, script_name, path_info, request)
        if resource is not None:
            found.setdefault(resource.url, resource)
    return found.popitem()[1] if len(found) == 1 else None


def fixed_paths() -> Sequence[str]:
    """Give the paths of all endpoints that have nothing to be filled in.

    Raises:
        Exception: Whatever importing the URLconf raises.
    """
    return [path for path, is_fixed in _all_paths() if is_fixed]


@cache
def _all_paths() -> Sequence[tuple[str, bool]]:
    """Give the paths of all endpoints in all languages, and whether each is fixed."""
    found: dict[tuple[str, bool], None] = {}
    for code, _ in settings.LANGUAGES:  # Each has its own below `i18n_patterns`.
        with translation.override(code):
            for path, _, is_fixed in routes():
                found[path, is_fixed] = None
    return tuple(found)


def normal_form(url: object) -> str | None:
    """Write the URL of a resource as others that mean the same are written.

    Returns:
        The URL; None if it cannot be that of a resource.

    Spec: RFC 3986, section 6.2; RFC 8707, section 2.
    """
    if not isinstance(url, str) or len(url) > MAX_CHARACTERS or _NO_URL.search(url):
        return None
    match = _WEB.fullmatch(normalize(url))
    if match is None or "@" in match["authority"]:
        return None
    # Names of hosts may end with a dot, which says that they are complete.
    authority = re.sub(r"\.(?=:[0-9]*$|$)", "", match["authority"])
    return f"{match['scheme']}://{authority}{match['path']}"


def origin_of(request: HttpRequest) -> str:
    """Give the site's origin as its users see it, such as "https://site.example".

    It is that of `MCP["PUBLIC_URL"]`, or what the request says, behind proxies too, as
    `ALLOWED_HOSTS` and, where that has "*", `MCP["ALLOWED_HOSTS"]` allow it.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    if mcp_settings.PUBLIC_URL is not None:
        return _origin(mcp_settings.PUBLIC_URL)
    host = request.get_host()
    if not is_allowed_host(host):
        raise DisallowedHost(f"host {host!r} is not in MCP['ALLOWED_HOSTS']")
    return _origin(f"{request.scheme}://{host}")


def root_of(request: HttpRequest) -> str:
    """Give the URL of the site's root, without a slash at the end.

    It has the script name, where the site is below a path of its host.

    Raises:
        DisallowedHost: The host is not the site's.
    """
    return f"{origin_of(request)}{quote(_script_name_of(request), safe=_PATH_SAFE)}"


@lru_cache(maxsize=1024)
def _origin(url: str) -> str:
    return (normal_form(url) or url).rstrip("/")


# ------------------------------------------------------------------------------------


def _script_name_of(request: HttpRequest, path: str | None = None) -> str:
    """Give the part of public paths that is not in the URLconf.

    A script name that the settings do not force counts only for what is below it:
    Daphne takes one from any client.

    Args:
        request: Says which there is.
        path: A path that the request asks of.
    """
    given = _given_script_name(request)
    if settings.FORCE_SCRIPT_NAME:
        return given
    asked = [request.path] if path is None else [request.path, path]
    return given if any(_below(given, each) is not None for each in asked) else ""


def _given_script_name(request: HttpRequest) -> str:
    given = settings.FORCE_SCRIPT_NAME or request.META.get("SCRIPT_NAME") or ""
    return str(given).rstrip("/")


def _below(script_name: str, path: str) -> str | None:
    """Give what follows the script name in a path; None if it is not below it."""
    rest = path.removeprefix(script_name)
    is_below = path.startswith(script_name) and (not rest or rest.startswith("/"))
    return rest if is_below else None


def _find(
    origin: str, script_name: str, path_info: str, request: HttpRequest
) -> ProtectedResource | None:
    urlconf = getattr(request, "urlconf", None)
    find = _resource if is_by_path_alone(urlconf) else _resource.__wrapped__
    found = find(origin, script_name, path_info, urlconf)
    if found is None or not script_name or settings.FORCE_SCRIPT_NAME:
        return found
    return None if _is_named_without(script_name, found, urlconf) else found


def _is_named_without(
    script_name: str, resource: ProtectedResource, urlconf: Any
) -> bool:
    """Say whether an endpoint's URL is another one's where there is no script name.

    Then a client that makes one up would take its token from the one to the other.
    """
    urls = filter(None, map(_WEB.fullmatch, resource.audiences))
    paths = [unquote(url["path"]) for url in urls]
    if all(endpoint_at(path, urlconf) is None for path in paths):
        return False
    logger.warning(
        "no token of OAuth is good for %s: with the script name %r "
        "that the request has it is one MCP endpoint, without it "
        "another; set FORCE_SCRIPT_NAME, if the site is below that path",
        resource.url,
        script_name,
        of=resource.url,
    )
    return True


# On the hot path: tokens are looked at with each message.
@lru_cache(maxsize=1024)
def _resource(
    origin: str, script_name: str, path_info: str, urlconf: Any
) -> ProtectedResource | None:
    endpoint = endpoint_at(path_info, urlconf) or endpoint_at(f"{path_info}/", urlconf)
    if endpoint is None:
        return None
    site = f"{origin}{quote(script_name, safe=_PATH_SAFE)}"
    paths = _Paths(endpoint, path_info, urlconf)
    asked = quote(paths.asked, safe=_PATH_SAFE)
    named = quote(script_name, safe=_PATH_SAFE) + asked
    # Spec: RFC 9728, section 3.1: what follows the host alone is left out.
    suffix = "" if named == "/" else named
    own = [f"{site}{quote(path, safe=_PATH_SAFE)}" for path in paths.own()]
    return ProtectedResource(
        server=endpoint.server,
        url=own[0],
        asked_url=f"{site}{asked}",
        # Below the script name, where each request reaches us.
        metadata_url=f"{site}/.well-known/{DOCUMENT}{suffix}",
        audiences=frozenset(filter(None, map(normal_form, own))),
    )


class _Paths:
    """The paths below the script name that lead to one endpoint.

    Args:
        endpoint: What is at one of them.
        path_info: That path.
        urlconf: Where the others are looked for.
    """

    def __init__(self, endpoint: Endpoint, path_info: str, urlconf: Any) -> None:
        self._server = endpoint.server
        self._urlconf = urlconf
        self._folder = path_info.rpartition("/")[0]
        self._stream = f"{self._folder}/sse"
        # What a client of HTTP+SSE knows is the stream: it learns `/messages` from us.
        self.asked = self._stream if endpoint.binding == "messages" else path_info
        if endpoint.binding == "mcp":
            self._base = path_info.rstrip("/")
        else:
            self._base = self._folder if self._has_folder() else self._stream

    def own(self) -> list[str]:
        """Give the canonical path, and after it those that count as the same."""
        base, slashed, stream = self._base, f"{self._base}/", f"{self._base}/sse"
        # A root has its slash, and so has what is served only with it.
        own = [base, slashed] if self._leads_to_us(base) else [slashed, base]
        own = [path for path in own if self._is_free(path)]
        return [*own, stream] if self._leads_to_us(stream, "sse") else own

    def _has_folder(self) -> bool:
        """Say whether the endpoint has a path that its other bindings are below."""
        folder = self._folder
        return any(self._leads_to_us(path, "mcp") for path in (folder, f"{folder}/"))

    def _leads_to_us(self, path_info: str, binding: Binding | None = None) -> bool:
        found = endpoint_at(path_info, self._urlconf)
        if found is None or found.server is not self._server:
            return False
        return binding is None or found.binding == binding

    def _is_free(self, path_info: str) -> bool:
        """Say whether no other server is at a path."""
        found = endpoint_at(path_info, self._urlconf)
        return found is None or found.server is self._server


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if is_setting_of_routes(setting):
        _resource.cache_clear()
        _all_paths.cache_clear()
