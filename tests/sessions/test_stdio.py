"""Standard input and output of this process, as far as no process is needed."""

from __future__ import annotations

import sys

import pytest

from mcp_django.sessions.stdio import bridge_stdio


async def bridge_to(url: str) -> None:
    """Join standard streams that are not there to a server."""
    await bridge_stdio(url, headers={}, on_close=lambda: None, stdin=-1, stdout=-1)


async def test_missing_library_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: an ordinary installation has no client over HTTP."""
    for module in ("streamable_http", "http_library"):
        monkeypatch.delitem(
            sys.modules, f"mcp_django.transports.client.{module}", raising=False
        )
    for name in ["httpx2", *sys.modules]:
        if name.split(".")[0] == "httpx2":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match="install mcp-django-channels"):
        await bridge_to("http://127.0.0.1:1/mcp")


async def test_url_of_no_server_is_refused_as_it_is() -> None:
    """Chosen: no group of exceptions around it."""
    with pytest.raises(ValueError, match="its scheme is 'ftp'"):
        await bridge_to("ftp://127.0.0.1/mcp")
