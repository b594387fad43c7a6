"""What `mcp_django` offers by name, and what importing it takes."""

from __future__ import annotations

import ast
import copy
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import mcp_django
from mcp_django import exceptions
from mcp_django.auth.interface import User


def test_public_names_are_all_there_in_order() -> None:
    """Chosen: `__all__` is the promise."""
    assert mcp_django.__all__ == sorted(set(mcp_django.__all__))
    assert all(hasattr(mcp_django, name) for name in mcp_django.__all__)


def test_every_exception_is_public() -> None:
    """Chosen: what may be raised can be caught by a name of the package."""
    raised = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert raised <= set(mcp_django.__all__)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ErrorReceived(-32603, "Internal error", {"id": 1}),
        exceptions.HTTPRefused("refused", status=404, headers={"retry-after": "1"}),
        exceptions.BatchTooLarge(3, 2),
        exceptions.CapabilityMissing("it cannot", required={"roots": {}}),
        exceptions.ReaderTooSlow(3, 2),
        exceptions.RequestTimeout("no answer"),
        exceptions.ServiceAway("database", 3.0),
        exceptions.ToolError("no such order"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_can_be_pickled_and_copied(error: exceptions.MCPError) -> None:
    """Chosen: task queues and pools of processes bring them to the program."""
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (again.args, str(again)) == (error.args, str(error))
        assert vars(again) == vars(error)


def test_public_names_are_documented_where_they_are_defined() -> None:
    """Chosen: `help(mcp_django.Server)` is the first reference."""
    assert all(getattr(mcp_django, name).__doc__ for name in mcp_django.__all__)


def test_user_is_a_type_that_annotations_can_use() -> None:
    """Chosen: frameworks evaluate annotations, and some programs have no choice."""

    def greet(user: User | None) -> None: ...

    assert "user" in get_type_hints(greet)


def test_importing_needs_neither_settings_nor_app_registry() -> None:
    """Chosen: `mcp.py` and tools of editors import it any time."""
    script = (
        "import mcp_django\n"
        "server = mcp_django.Server('early')\n"
        "@server.tool\n"
        "def add(a: int, b: int) -> int: return a + b\n"
        "from django.conf import settings\n"
        "from django.apps import apps\n"
        "assert not settings.configured\n"
        "assert not apps.ready\n"
        "server.urls('mcp')\n"
        "assert not settings.configured\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={},
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (0, "")


# The reference ------------------------------------------------------------------

ROOT = Path(mcp_django.__file__).parents[1]


def read_reference(page: str) -> str:
    """Read a page of the reference."""
    return (ROOT / "docs" / "reference" / page).read_text()


def documented_names() -> list[str]:
    """Give the dotted names that have a heading of their own."""
    return re.findall(r"^### `([\w.]+)", read_reference("api.md"), re.MULTILINE)


def test_reference_documents_what_is_public() -> None:
    """Chosen: `__all__` and the reference say the same."""
    names = [name.split(".") for name in documented_names()]

    assert sorted(name[1] for name in names if len(name) == 2) == mcp_django.__all__


def test_what_the_reference_documents_can_be_imported() -> None:
    """Chosen: names of modules, too, are a promise there."""
    names = documented_names()

    assert len(names) == len(set(names))
    for name in names:
        assert pkgutil.resolve_name(name)


# Rooms --------------------------------------------------------------------------


FOUND_BY_DJANGO = {"admin", "apps", "commands", "management", "migrations", "models"}

ROOMS = sorted(
    init.parent
    for init in (ROOT / "mcp_django").glob("*/**/__init__.py")
    if not FOUND_BY_DJANGO.intersection(init.parent.parts)
)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_docstring_of_a_package_names_what_is_in_it(room: Path) -> None:
    """Chosen: a stranger learns from it where to look."""
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    named = set(re.findall(r"`(\w+)`", docstring))

    modules = {path.stem for path in room.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in room.glob("*/__init__.py")}
    assert (modules | packages) - FOUND_BY_DJANGO <= named
