"""Make a project with the installed package, and use it, in an environment of its own.

It does what the README says, with all apps that need no extra, and looks at what comes:
checks, migrations, static files, pages in each language, and a tool that is called.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

SETTINGS = """
INSTALLED_APPS = [
    "mcp_django",
    *INSTALLED_APPS,
    "channels",
    "corsheaders",
    "mcp_django.tokens",
    "mcp_django.audit",
    "mcp_django.switches",
    "mcp_django.pages",
    "shop",
]
MIDDLEWARE.insert(1, "mcp_django.middleware.CorsMiddleware")
MIDDLEWARE.insert(3, "django.middleware.locale.LocaleMiddleware")
ASGI_APPLICATION = "mysite.asgi.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
STATIC_ROOT = BASE_DIR / "static"
LOGIN_URL = "admin:login"
"""

SERVER = """
from mcp_django import Server, SyncContext

server = Server("shop")


@server.tool
def who_am_i(context: SyncContext) -> str:
    \"\"\"Tell which user of the site the client works as.\"\"\"
    return context.user.get_username()
"""

URLS = """
from django.contrib import admin
from django.urls import path

from shop.mcp import server

urlpatterns = [path("admin/", admin.site.urls), *server.urls("mcp")]
"""

ASGI = """
import os

from mcp_django.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_asgi_application()
"""

ADD_USER = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("ada", password="ada")
"""

PAGES = {
    "/mcp/connect/?client=cursor": ".cursor/mcp.json",
    "/mcp/programs/": "Test",
    "/mcp/console/": "console/main.js",
    "/admin/": "mcp_tokens",
}
"""What stands on a page for a user who has made a token."""

WAIT_SECONDS = 60
LANGUAGES = ("en", "de", "es", "fr", "zh-hans")
"""Of each, the landing page says other things."""


def main() -> None:
    """Do all; what fails is an exception."""
    folder = Path.cwd()
    _run("-m", "django", "startproject", "mysite", ".")
    _run("manage.py", "startapp", "shop")
    (folder / "shop" / "mcp.py").write_text(SERVER)
    (folder / "mysite" / "urls.py").write_text(URLS)
    (folder / "mysite" / "asgi.py").write_text(ASGI)
    with (folder / "mysite" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)

    _run("manage.py", "check", "--fail-level", "WARNING")
    _run("manage.py", "makemigrations", "--check", "--dry-run")
    _run("manage.py", "migrate", "--verbosity", "0")
    _run("manage.py", "collectstatic", "--no-input", "--verbosity", "0")
    for name in ("pages.css", "console/main.js"):
        assert (folder / "static" / "mcp_django" / name).stat().st_size, name

    _run("manage.py", "shell", "--command", ADD_USER)
    made = _run("manage.py", "mcp_token", "create", "ada", "--name", "Test")
    token = made.split()[-1]
    with serving() as site:
        look_at_pages(site)
        assert call(site, token) == "ada"
    shown = _run(
        "manage.py", "mcp_config", "--client", "cursor", "--url", f"{site}/mcp"
    )
    assert f"{site}/mcp" in shown, shown


@contextmanager
def serving() -> Iterator[str]:
    """Serve the project, and give its address."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "mcp_daphne", "-b", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"Listening on TCP address (\S+)", line):
                    yield f"http://{found[1]}"
                    break
            else:
                raise RuntimeError("".join(lines))
        finally:
            process.terminate()
            process.stderr.read()


def look_at_pages(site: str) -> None:
    """See that pages and their files come, and that languages differ."""
    texts = {language: _read_landing(site, language) for language in LANGUAGES}
    assert len(set(texts.values())) == len(LANGUAGES), "a language is not translated"
    for file in ("pages.css", "console/main.js"):
        assert _read(f"{site}/static/mcp_django/{file}"), file
    for path, word in PAGES.items():
        assert word in _read_as_user(f"{site}{path}"), path


def _read_as_user(url: str) -> str:
    """Follow a link as a user does who has to log in on the way."""
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(url, timeout=WAIT_SECONDS) as form:
        login, page = form.url, form.read().decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page
    data = {"username": "ada", "password": "ada", "csrfmiddlewaretoken": found[1]}
    with browser.open(login, urlencode(data).encode(), WAIT_SECONDS) as answer:
        return str(answer.read().decode())


def call(site: str, token: str) -> str:
    """Call the tool, and give its text."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "who_am_i", "arguments": {}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = _read(
        f"{site}/mcp",
        json.dumps(message),
        **{
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "who_am_i",
        },
    )
    return str(json.loads(answer)["result"]["content"][0]["text"])


def _read_landing(site: str, language: str) -> str:
    """Give the words of the page at the endpoint."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    page = _read(f"{site}/mcp", **headers)
    assert f'<html lang="{language}"' in page, page[:500]
    return re.sub(r"<[^>]*>", "", page)


def _read(url: str, body: str | None = None, **headers: str) -> str:
    data = None if body is None else body.encode()
    with urlopen(Request(url, data, headers), timeout=WAIT_SECONDS) as answer:
        return str(answer.read().decode())


def _run(*arguments: str) -> str:
    """Run Python, and give what it prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
