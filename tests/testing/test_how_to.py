"""The tests that the documentation shows, in the project of its tutorial."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import patience
from tests.docs.pages import ROOT, files_of, write_files

pytestmark = pytest.mark.live

PAGES = ("tutorials/first-server.md", "how-to/testing.md")
BOUND = 2 * patience.PATIENCE_SECONDS

# The tutorial shows the parts that readers change of what startproject makes.
SETTINGS = """
from pathlib import Path

from tests.settings import *

BASE_DIR = Path(__file__).resolve().parent.parent
OTHERS = {"tests.site", "mcp_django.oauth", "mcp_django.accounts", "oauth2_provider"}
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in OTHERS] + ["shop"]
ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"
"""

INI = """
[pytest]
DJANGO_SETTINGS_MODULE = mysite.settings
python_files = test_*.py
filterwarnings = error
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the project of the tutorial, with the tests of the page on testing."""
    folder = tmp_path_factory.mktemp("shop-site")
    files = {"mysite/settings.py": SETTINGS, "pytest.ini": INI}
    for page in PAGES:
        for name, text in files_of(page).items():
            files[name] = files.get(name, "") + text
    write_files(files, folder)
    run(folder, "-m", "django", "makemigrations", "shop")
    run(folder, "-m", "django", "mcp_inspect", "--record", "features.json")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run Python in the project, and give what it says."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("options", [(), ("--parallel", "2")], ids=["one", "several"])
def test_tests_of_the_documentation_pass(shop: Path, options: tuple[str, ...]) -> None:
    """Chosen: with Django's own runner, also in several processes at once."""
    said = run(shop, "-W", "error", "-m", "django", "test", *options)

    assert re.search(r"Ran [1-9]\d* tests", said)


def test_tests_of_the_documentation_pass_with_pytest(shop: Path) -> None:
    """Chosen: with its fixtures."""
    said = run(shop, "-m", "pytest", "-q", "shop")

    assert re.search(r"[1-9]\d* passed", said)
