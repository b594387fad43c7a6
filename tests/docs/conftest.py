"""Modules made of what the pages show."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.docs.pages import files_of, write_files
from tests.docs.projects import begin

PAGES = (
    "how-to/custom-transport.md",
    "how-to/custom-transport-examples.md",
    "how-to/use-other-servers.md",
)
PACKAGES = ("shop", "letters")

Import = Callable[[str], ModuleType]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop: what the pages show runs on either, unless they say."""
    backend: str = request.param
    return backend


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Import]:
    """Give a function that imports a module which a page shows.

    Only what the pages leave to the reader, the project's own `mcp.py`, is ours.
    """
    folder = tmp_path_factory.mktemp("shown")
    files = {"shop/mcp.py": "from tests.docs.shop import server as server\n"}
    for page in PAGES:
        files.update(files_of(page))
    write_files(files, folder)
    sys.path.insert(0, str(folder))
    yield importlib.import_module
    sys.path.remove(str(folder))
    for name in list(sys.modules):
        if name.partition(".")[0] in PACKAGES:
            del sys.modules[name]


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the files of a project that was just begun, as the tutorial says."""
    return begin(tmp_path_factory.mktemp("begun"))
