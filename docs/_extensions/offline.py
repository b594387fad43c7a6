"""The site needs no other one: no page has a script, style or picture of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_logger = logging.getLogger(__name__)

_LOADED: Final = re.compile(
    r"""(?:\ssrc=|<link\s[^>]*?href=)["']?((?:https?:)?//[^"'\s>]+)"""
)


def look(app: Sphinx, failure: Exception | None) -> None:
    """Warn of each address that a browser would load with a page."""
    if failure is not None or app.builder.name != "html":
        return
    for page in sorted(app.outdir.rglob("*.html")):
        for address in _LOADED.findall(page.read_text()):
            name = page.relative_to(app.outdir)
            _logger.warning("%s loads %s, which is of another site", name, address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it, as Sphinx wants."""
    app.connect("build-finished", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
