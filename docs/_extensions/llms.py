"""What programs read in place of the site: `llms.txt`, which lists the pages, each page
as Markdown beside it, and `llms-full.txt`, which is all of them.

Spec: https://llmstxt.org
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from docutils import nodes
from repository_links import text_of
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_TOP: Final = """# {title}

> {summary}

Each page is here as Markdown, under the address that is given; all of them in one
file are [llms-full.txt](llms-full.txt).
"""

_OPTIONAL: Final = "The project"
"""The caption of what can be left out; such a section has a name of its own there."""

_DOCSTRINGS: Final = "reference/python/"
"""Pages that the site makes of the source; what they say is in the API page, too."""


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write all of it beside the pages, once these are done."""
    if failure is not None or app.builder.name != "html":
        return
    lines = [_TOP.format(title=app.config.project, summary=_summary_of(app, "index"))]
    texts = [_write_page(app, "index")]
    for caption, pages in _sections(app):
        lines.append(f"## {'Optional' if caption == _OPTIONAL else caption}\n")
        for docname, title in pages:
            lines.append(f"- [{title}]({docname}.md): {_summary_of(app, docname)}")
            texts.append(_write_page(app, docname))
        lines.append("")
    (app.outdir / "llms.txt").write_text("\n".join(lines))
    (app.outdir / "llms-full.txt").write_text("\n\n".join(texts))


def _sections(app: Sphinx) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Give the captions of the sidebar, and names and titles of the pages below."""
    for toctree in app.env.get_doctree("index").findall(addnodes.toctree):
        pages: list[tuple[str, str]] = []
        for title, docname in toctree["entries"]:
            pages += _with_pages_below(app, docname, title)
        yield toctree["caption"], pages


def _with_pages_below(
    app: Sphinx, docname: str, title: str | None = None
) -> Iterator[tuple[str, str]]:
    """Give name and title of a page and of those below it."""
    if docname.startswith(_DOCSTRINGS):
        return
    yield docname, title or app.env.titles[docname].astext()
    for below in app.env.toctree_includes.get(docname, []):
        yield from _with_pages_below(app, below)


def _write_page(app: Sphinx, docname: str) -> str:
    """Write a page as Markdown, and give its text."""
    text = text_of(app.srcdir, docname)
    path = app.outdir / f"{docname}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return text


def _summary_of(app: Sphinx, docname: str) -> str:
    """Give the first paragraph of a page, in one line."""
    for paragraph in app.env.get_doctree(docname).findall(nodes.paragraph):
        return " ".join(paragraph.astext().split())
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
