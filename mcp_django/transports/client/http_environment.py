"""What the environment says about HTTP: which certificates to trust, which proxies."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from functools import lru_cache

from mcp_django.transports.client.http_library import httpx2


def system_tls() -> ssl.SSLContext:
    """Give the TLS settings of the system, which all clients of the process share.

    Raises:
        OSError: What the environment names cannot be read, or holds no certificates.
    """
    environment = os.environ.get
    return _make_system_tls(environment("SSL_CERT_FILE"), environment("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _make_system_tls(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    # To read all certificates takes long; httpx2 looks at the two variables itself.
    return httpx2.create_ssl_context()


def uses_proxy(url: httpx2.URL) -> bool:
    """Say whether the environment names a proxy for a URL, as httpx2 sees it."""
    proxies = urllib.request.getproxies()
    if not (proxies.get(url.scheme) or proxies.get("all")):
        return False
    if urllib.request.proxy_bypass(url.host):
        return False
    return not _is_in_any(url.host, proxies.get("no", "").split(","))


def _is_in_any(host: str, networks: list[str]) -> bool:
    """Say whether a host is an address in one of some networks, such as 10.0.0.0/8."""
    for network in networks:
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(
                network.strip(), strict=False
            ):
                return True
        except ValueError:
            pass  # A name, which is none of a network.
    return False
