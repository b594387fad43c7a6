"""Examples and guides to migrate, all in one site, with the tests that they show."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, files_of, write_files
from tests.docs.projects import TUTORIAL, run_python

pytestmark = pytest.mark.live

DOCS = ROOT / "docs"
GALLERY = DOCS / "examples" / "index.md"
PAGES = [
    str(page.relative_to(DOCS))
    for page in sorted(
        [*DOCS.glob("examples/*.md"), *DOCS.glob("how-to/migrate-from-*.md")]
    )
    if page != GALLERY
]
SETTINGS = "mysite/settings.py"

RUN = """
import sys

import django
from django.core.management import call_command

django.setup()
call_command("check", fail_level="WARNING")
call_command("test", *sys.argv[1:], verbosity=2)
"""

_RESULT = re.compile(r"^(test_\w+) \((\w+)\.tests\.[\w.]+\) \.\.\. (\w+)", re.MULTILINE)


def app_of(page: str) -> str:
    """Name the app that a page makes."""
    [app] = {name.partition("/")[0] for name in files_of(page) if name != SETTINGS}
    return app


@pytest.fixture(scope="module")
def said(begun: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the site, run its tests, and give what they said."""
    asgi = "mysite/asgi.py"
    files = begun | {asgi: files_of(TUTORIAL)[asgi]}
    apps = [app_of(page) for page in PAGES]
    routes = ""
    for page, app in zip(PAGES, apps, strict=True):
        shown = files_of(page)
        files[SETTINGS] += shown.pop(SETTINGS, "")
        files.update(shown)
        if f"{app}/urls.py" in shown:
            routes += f"urlpatterns += [path('{app}/', include('{app}.urls'))]\n"
        if f"{app}/mcp.py" in shown:
            server = f"import_module('{app}.mcp').server"
            routes += f"urlpatterns += {server}.urls('{app}/mcp')\n"
    files[SETTINGS] += f"INSTALLED_APPS += {apps}\n"
    files["mysite/urls.py"] = (
        "from importlib import import_module\n"
        "from django.contrib import admin\n"
        "from django.urls import include, path\n"
        "urlpatterns = [path('admin/', admin.site.urls)]\n" + routes
    )
    folder = tmp_path_factory.mktemp("examples")
    write_files(files, folder)
    return run_python(folder, "-c", RUN, *apps).stdout


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_does_what_its_tests_say(page: str, said: str) -> None:
    """Chosen: who pastes it begins with something that works."""
    app = app_of(page)
    results = {
        test: result for test, name, result in _RESULT.findall(said) if name == app
    }
    shown = re.findall(r"def (test_\w+)", files_of(page)[f"{app}/tests.py"])
    assert results == dict.fromkeys(shown, "ok"), said
    assert len(shown) > 1


def test_gallery_shows_every_example() -> None:
    """Chosen: what is not in the list is not found."""
    examples = {page.name for page in GALLERY.parent.glob("*.md")} - {GALLERY.name}
    rows = re.findall(r"^\| \[.+?\]\((\S+?)\)", GALLERY.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(examples)
