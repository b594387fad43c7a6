"""The console's modules by themselves: their types, their size and their own tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_django.pages.form_texts import forms_texts, results_texts
from tests.javascript import CONSOLE, ROOT, TESTS, check_types, run_tests
from tests.live.node import has_npm

needs_npm = pytest.mark.skipif(
    not has_npm() and not os.environ.get("CI"),
    reason="npm is not installed (Debian's package: npm)",
)


@needs_npm
def test_types_in_comments_are_right() -> None:
    """Chosen: JavaScript as strict as Python here."""
    done = check_types()

    assert done.returncode == 0, done.stdout


@needs_npm
def test_modules_pass_their_own_tests(tmp_path: Path) -> None:
    """Chosen: one run of `node --test` over the folder.

    The forms are made for the tools of the demo and of the conformance fixture, too.
    """
    schemas = tmp_path / "schemas.json"
    schemas.write_text(json.dumps(dict(_tool_schemas())))
    done = run_tests(SCHEMAS=str(schemas))

    assert done.returncode == 0, done.stdout
    assert "tests 0" not in done.stdout


@pytest.mark.parametrize("folder", [CONSOLE, TESTS], ids=["console", "tests"])
def test_modules_are_short(folder: Path) -> None:
    """We promise it: no file over 400 lines."""
    lines = {path.name: len(path.read_text().splitlines()) for path in _modules(folder)}

    assert lines
    assert not {name: count for name, count in lines.items() if count > 400}


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
)
def test_no_module_makes_elements_or_code_of_text(word: str) -> None:
    """We promise it: what others wrote is shown, never run."""
    assert not [path.name for path in _modules(CONSOLE) if word in path.read_text()]


def _tool_schemas() -> Iterator[tuple[str, Any]]:
    for settings in ("demo_project.settings", "tests.conformance.settings"):
        inspected = subprocess.run(
            [
                sys.executable,
                "manage.py",
                "mcp_inspect",
                "--json",
                f"--settings={settings}",
            ],
            cwd=ROOT,
            env=os.environ | {"DEMO_DATABASE": ":memory:"},
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )
        for server in json.loads(inspected.stdout)["servers"]:
            for tool in server["tools"]:
                yield f"{server['name']} {tool['name']}", tool["inputSchema"]


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.glob("**/*.js"))


@pytest.mark.parametrize(
    ("folder", "make"), [("forms", forms_texts), ("results", results_texts)]
)
def test_modules_have_the_texts_they_use_and_no_others(
    folder: str, make: Callable[[], dict[str, str]]
) -> None:
    """Chosen: texts are looked up by name, where a wrong one would show nothing."""
    source = "".join(path.read_text() for path in _modules(CONSOLE / folder))
    used = set(re.findall(r"\btexts\.(\w+)", source)) - {"js"}
    # Those that are named by what was found, such as a keyword or a format.
    quoted = set(re.findall(r'"((?:why_)?\w+)"', source))
    composed = {
        name
        for name in make()
        if name.startswith(("type_", "no_", "too_few_", "too_many_"))
    }

    assert used <= set(make())
    assert set(make()) <= used | quoted | composed
