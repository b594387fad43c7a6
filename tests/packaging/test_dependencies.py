"""What the package imports is what its distribution declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ALLOWED = {
    # Where there is no pytest, nobody imports its fixtures.
    "mcp_django/testing/fixtures.py": {"pytest"},
}
OF_EXTRAS = {
    # Imported where django-oauth-toolkit is among the installed apps.
    "mcp_django/oauth/authorization_server/": "oauth",
    "mcp_django/oauth/authenticators/toolkit.py": "oauth",
    "mcp_django/oauth/checks/toolkit.py": "oauth",
    # Whose app says what is missing.
    "mcp_django/telemetry/": "otel",
}
"""What only those import who have an extra, by the beginning of its path."""

MODULES = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob("mcp_django/**/*.py")
)


def names_of(requirements: list[str], *, optional: bool = False) -> set[str]:
    """Give the normalized names of what is required, on every system and at once."""
    return {
        re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text, maxsplit=1)[0]).lower()
        for text in requirements
        if optional or ";" not in text
    }


@cache
def owners() -> Mapping[str, list[str]]:
    """Give the distributions that each package here is of."""
    return packages_distributions()


@cache
def available(extra: str | None) -> frozenset[str]:
    """Name the distributions that are there: declared ones, and what these bring."""
    declared = PROJECT["dependencies"]
    if extra is not None:
        declared = declared + PROJECT["optional-dependencies"][extra]
    names = names_of(declared, optional=True)
    brought = [names_of(distribution(name).requires or []) for name in names]
    return frozenset(names.union(*brought))


def imported(path: Path) -> Iterator[tuple[str, str | None]]:
    """Give the packages of others that a module imports when it runs.

    Each with the extra that `brought_by` names around its import; None for no extra.
    """
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    extras = {
        inner: ast.literal_eval(ast.unparse(call.args[0]))
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        and isinstance(call := node.items[0].context_expr, ast.Call)
        and ast.unparse(call.func) == "brought_by"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        match node:
            case _ if node in for_types:
                continue
            case ast.Import(names=aliases):
                modules = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(name)):
                modules = [name]
            case _:
                continue
        for module in modules:
            package = module.partition(".")[0]
            if package not in {*sys.stdlib_module_names, "mcp_django"}:
                yield package, extras.get(node)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_is_installed_with_it(module: str) -> None:
    """We promise it: the development group does not count. Libraries of an extra are
    imported where their absence is explained."""
    own = next(
        (OF_EXTRAS[start] for start in OF_EXTRAS if module.startswith(start)), None
    )
    missing = {
        package
        for package, extra in imported(ROOT / module)
        if package not in ALLOWED.get(module, set())
        and not names_of(owners().get(package, [package])) & available(extra or own)
    }
    assert missing == set()
