"""Pages link to each other as files of the repository; here the site learns to follow.

Files at the repository's top that are pages themselves, such as its README, become
pages of the site. A link to another file of the repository downloads that file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).resolve().parents[2]

TOP_PAGES: Final = {
    "readme": ROOT / "README.md",
    "changelog": ROOT / "CHANGELOG.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "security": ROOT / "SECURITY.md",
}
"""Which file of the repository each of these pages of the site shows."""

_PAGE_OF: Final = {
    file: ROOT / "docs" / f"{name}.md" for name, file in TOP_PAGES.items()
}

_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:)([^)#\s]+)")


def read_source(app: Sphinx, docname: str, source: list[str]) -> None:
    """Take a page's text from where it stands, with links that hold on the site."""
    page = app.srcdir / f"{docname}.md"
    file = TOP_PAGES.get(docname, page)
    text = source[0] if file == page else file.read_text()

    def moved(found: re.Match[str]) -> str:
        target = (file.parent / found[1]).resolve()
        return os.path.relpath(_PAGE_OF.get(target, target), page.parent)

    source[0] = _LINK.sub(moved, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.connect("source-read", read_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
