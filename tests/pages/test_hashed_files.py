"""Static files whose names change with their content, so that browsers load updates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import dirname, join, normpath

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage

from tests.javascript import CONSOLE

STATIC = CONSOLE.parents[1]
MAIN = "mcp_django/console/main.js"
IMPORTED = re.compile(r'^(?:import|export) [^;]*?"(\.[^"]+)";$', re.MULTILINE)


class HashedModules(ManifestStaticFilesStorage):
    """The storage that the guide tells of."""

    support_js_module_import_aggregation = True


def imports_of(name: str, text: str) -> list[str]:
    """Give the names of the modules that a module imports."""
    return [normpath(join(dirname(name), found)) for found in IMPORTED.findall(text)]


def modules() -> dict[str, list[str]]:
    """Give what each module of the console imports."""
    return {
        name: imports_of(name, path.read_text())
        for path in CONSOLE.glob("**/*.js")
        if (name := path.relative_to(STATIC).as_posix())
    }


def importers_first(graph: Mapping[str, list[str]]) -> list[str]:
    """Put the modules into the order in which hashing takes longest."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for imported in graph[name]:
                visit(imported)
            order.append(name)

    for name in sorted(graph):
        visit(name)
    return order[::-1]


def hashed(folder: Path, changed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Do what `collectstatic` does; give the names of the files with their hashes.

    Args:
        folder: Where they are put.
        changed: Texts added to files, by name.
    """
    sources = FileSystemStorage(folder / "sources")
    storage = HashedModules(folder / "static", "/static/")
    names = importers_first(modules())
    for name in names:
        text = (STATIC / name).read_text() + (changed or {}).get(name, "")
        for root in (sources.location, storage.location):
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    found = {}
    for name, stored, processed in storage.post_process(
        {name: (sources, name) for name in names}
    ):
        assert not isinstance(processed, Exception), processed
        found[name] = str(stored)
    return found


def loaded(folder: Path, name: str) -> Iterator[str]:
    """Give the names of all files that a browser loads for a module."""
    todo, seen = [name], set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            yield name
            todo += imports_of(name, (folder / "static" / name).read_text())


def test_modules_import_each_other_by_their_hashed_names(tmp_path: Path) -> None:
    """We promise it: also in the order that takes Django's storage longest.

    It gives up after five rounds, and so after any where modules import each other.
    """
    names = hashed(tmp_path)

    assert set(loaded(tmp_path, names[MAIN])) == set(names.values())


def test_update_of_a_module_renames_those_that_import_it(tmp_path: Path) -> None:
    """We promise it: browsers that keep files for ever load the new ones."""
    changed = "mcp_django/console/theirs.js"
    before = hashed(tmp_path / "before")
    after = hashed(tmp_path / "after", {changed: "// new\n"})
    renamed = {name for name in before if before[name] != after[name]}

    assert {changed, "mcp_django/console/forms/slot.js", MAIN} <= renamed
    assert "mcp_django/console/dom.js" not in renamed
