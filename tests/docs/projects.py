"""Projects as a reader has them who follows the tutorial."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, blocks_of
from tests.patience import PATIENCE_SECONDS

TUTORIAL = "tutorials/first-server.md"

MIDDLEWARE = '    "django.middleware.security.SecurityMiddleware",\n'.replace('"', "'")
CORS = '    "mcp_django.middleware.CorsMiddleware",\n'


def begin(folder: Path) -> dict[str, str]:
    """Give the files that Django's own commands make, changed as the tutorial says."""
    django = [sys.executable, "-m", "django"]
    subprocess.run([*django, "startproject", "mysite", "."], cwd=folder, check=True)
    subprocess.run([*django, "startapp", "shop"], cwd=folder, check=True)
    files = {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.glob("**/*.py")
    }
    settings = files["mysite/settings.py"]
    assert MIDDLEWARE in settings
    settings = settings.replace(MIDDLEWARE, MIDDLEWARE + CORS)
    for name, text in blocks_of(f"docs/{TUTORIAL}", is_named=False):
        settings += text
        assert name == ""
    return {**files, "mysite/settings.py": settings}


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a project; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        | {"DJANGO_SETTINGS_MODULE": "mysite.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
