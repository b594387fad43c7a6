"""How a page has to look, in whichever state it is."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, ViewportSize

from tests.javascript import packages

NARROW: ViewportSize = {"width": 320, "height": 700}
OF_ADMIN = ["#changelist-filter a", ".breadcrumbs"]
"""What is wrong in Django's admin itself."""


def assert_looks_right(page: Page, *, is_of_admin: bool = False) -> None:
    """See that axe-core finds nothing wrong, in light and dark, and 320 pixels do.

    Args:
        page: In the state that it is to be seen in.
        is_of_admin: Whether it is a page of the admin. What is minor or moderate there
            is so in all of its pages.
    """
    where = {"exclude": OF_ADMIN} if is_of_admin else None
    faults = []
    # Only contrast depends on colors.
    page.emulate_media(color_scheme="dark")
    faults += _find(page, where, ["color-contrast"])
    page.emulate_media(color_scheme="light")
    faults += _find(page, where, None)
    wide = page.viewport_size
    assert wide is not None
    page.set_viewport_size(NARROW)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(wide)
    ignored = ("minor", "moderate") if is_of_admin else ()
    counted = [fault for fault in faults if fault[0] not in ignored]

    assert not counted, f"{page.url}: {counted}"
    assert width == NARROW["width"], f"{page.url} is {width} pixels wide"


def _find(page: Page, where: Any, rules: list[str] | None) -> list[tuple[Any, ...]]:
    """Have axe look at a page, once its colors have changed."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((packages() / "axe-core/axe.min.js").read_text())
    found = page.evaluate(
        """async ([where, rules]) => {
          const isChange = (one) => one instanceof CSSTransition;
          const changes = document.getAnimations().filter(isChange);
          await Promise.allSettled(changes.map((one) => one.finished));
          const only = rules && { runOnly: rules };
          return axe.run(where ?? document, { resultTypes: ["violations"], ...only });
        }""",
        [where, rules],
    )
    return [
        (fault["impact"], fault["id"], [node["html"][:200] for node in fault["nodes"]])
        for fault in found["violations"]
    ]
