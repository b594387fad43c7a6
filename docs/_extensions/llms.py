"""What programs read in place of the site: `llms.txt`, which lists the pages, and
`llms-full.txt`, which is all of them.

Spec: https://llmstxt.org
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_TOP = """# {title}

> {summary}

Each page is there as Markdown, under the address that is given here; all of them in one
file are [llms-full.txt](llms-full.txt).
"""


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write both files beside the pages, once these are done."""
    if failure is not None or app.builder.name != "html":
        return
    lines = [_TOP.format(title=app.config.project, summary=_summary_of(app, "index"))]
    texts = []
    for docname in _in_order(app):
        title = app.env.titles[docname].astext()
        lines.append(
            f"- [{title}](_sources/{docname}.md.txt): {_summary_of(app, docname)}"
        )
        texts.append((app.outdir / "_sources" / f"{docname}.md.txt").read_text())
    (app.outdir / "llms.txt").write_text("\n".join(lines) + "\n")
    (app.outdir / "llms-full.txt").write_text("\n\n".join(texts))


def _in_order(app: Sphinx) -> list[str]:
    """Name all pages in the order of the sidebar."""
    seen: list[str] = []
    waiting = ["index"]
    while waiting:
        docname = waiting.pop(0)
        if docname not in seen:
            seen.append(docname)
            waiting[:0] = app.env.toctree_includes.get(docname, [])
    return seen


def _summary_of(app: Sphinx, docname: str) -> str:
    """Give the first paragraph of a page, in one line."""
    for paragraph in app.env.get_doctree(docname).findall(nodes.paragraph):
        return " ".join(paragraph.astext().split())
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
