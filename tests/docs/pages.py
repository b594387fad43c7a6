"""The files that pages of the documentation show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


_UNNAMED = re.compile(r"^```python()\n((?!# \S+\.py\n).*?)^```$", re.M | re.S)


def blocks_of(page: str, *, is_named: bool = True) -> Iterator[tuple[str, str]]:
    """Give path and text of each block of Python that a page shows.

    Args:
        page: Such as "docs/how-to/testing.md".
        is_named: Whether to give those that name their file, or the others.
    """
    yield from (_FILE if is_named else _UNNAMED).findall((ROOT / page).read_text())


def files_of(page: str) -> dict[str, str]:
    """Give path and text of each Python file that a page shows, in parts or at once.

    Args:
        page: Such as "how-to/testing.md".
    """
    files: dict[str, str] = {}
    for name, text in blocks_of(f"docs/{page}"):
        files[name] = files.get(name, "") + text
    return files


def write_files(files: dict[str, str], folder: Path) -> None:
    """Write files, and make packages of the folders they are in."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for parent in path.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()
