"""What the pages show, in the project that they say it is for: that of the tutorial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of, write_files
from tests.docs.projects import TUTORIAL, run_python

pytestmark = pytest.mark.live

SERVER = "shop/mcp.py"
ADDED = ("shop/models.py", "mysite/settings.py")
"""To these files a page adds; it shows the whole of all others."""

ALONE = ("mysite/settings.py", "mysite/asgi.py", "mysite/urls.py")
"""Of pages without a server, each such block is for itself."""

PAGES = (
    "docs/how-to/around.md",
    "docs/how-to/ask-the-user.md",
    "docs/how-to/authenticate.md",
    "docs/how-to/browser-clients.md",
    "docs/how-to/change-notices.md",
    "docs/how-to/deploy.md",
    "docs/how-to/errors.md",
    "docs/how-to/log-in.md",
    "docs/how-to/telemetry.md",
    "docs/how-to/translate.md",
    "docs/reference/api.md",
    "docs/reference/settings.md",
)

TRY = """
import django
from django.core.management import call_command

django.setup()
call_command("check", fail_level="WARNING")
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)

from django.contrib.auth import get_user_model
from django.urls import reverse

from mcp_django.testing import MCPClient
from shop.mcp import server

client = MCPClient()
assert client.server is server
client.force_login(get_user_model().objects.create_superuser("admin"))
client.list_tools(), client.list_prompts()
client.list_resources(), client.list_resource_templates()
assert reverse("shop-mcp") == "/mcp/"
"""


@dataclass(frozen=True)
class Project:
    """Files that a reader has after one of a page's examples.

    Attributes:
        name: Page and number of the example.
        files: Path -> what is in the whole file, or is added to it.
    """

    name: str
    files: dict[str, str]


def projects() -> Iterator[Project]:
    """Give one project for each server, and where there is none for each setting."""
    tutorial = dict(blocks_of(f"docs/{TUTORIAL}"))
    yield Project("tutorial", tutorial)
    yield Project("README", dict(blocks_of("README.md")))
    for page in PAGES:
        blocks = list(blocks_of(page))
        key = [n for n, (name, _) in enumerate(blocks) if name == SERVER]
        key = key or [n for n, (name, _) in enumerate(blocks) if name in ALONE]
        for number, start in enumerate(key, 1):
            end = next((n for n in key if n > start), len(blocks))
            files = dict(tutorial)
            for n, (name, text) in enumerate(blocks):
                if n == start or start < n < end or name not in (SERVER, *ALONE):
                    text = files.get(name, "") + text if name in ADDED else text
                    files[name] = text
            yield Project(f"{Path(page).stem}-{number}", files)


@pytest.mark.parametrize("project", [*projects()], ids=lambda project: project.name)
def test_what_a_page_shows_runs_in_its_project(
    project: Project, begun: dict[str, str], tmp_path: Path
) -> None:
    """Chosen: as pasted, without a word of the system checks."""
    files = dict(begun)
    for name, text in project.files.items():
        files[name] = files[name] + text if name == "mysite/settings.py" else text
    write_files(files, tmp_path)

    done = run_python(tmp_path, "-c", TRY)
    assert done.returncode == 0, done.stdout
