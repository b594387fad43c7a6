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
    """Take a page's text from where it stands."""
    source[0] = text_of(app.srcdir, docname)


def text_of(srcdir: Path, docname: str) -> str:
    """Give a page's text, with links that hold on the site.

    Args:
        srcdir: Folder of the pages.
        docname: The page below it, without a suffix.
    """
    page = Path(srcdir) / f"{docname}.md"
    file = TOP_PAGES.get(docname, page)
    text = file.read_text()
    if docname == "readme":
        # On the site the first page has this title already.
        text = text.replace("# mcp_django\n", "# README\n", 1)

    def moved(found: re.Match[str]) -> str:
        target = (file.parent / found[1]).resolve()
        return os.path.relpath(_PAGE_OF.get(target, target), page.parent)

    return _LINK.sub(moved, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.connect("source-read", read_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
