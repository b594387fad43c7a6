"""The demo as it is after `make demo`, a browser that visits it, and a camera."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.demo.conftest import ROOT, Demo, start_chromium
from tests.demo.programs import Callback, browsing, listening
from tests.live.daphne import serving

FOLDER = ROOT / "docs" / "how-to" / "pictures"
WIDE: ViewportSize = {"width": 900, "height": 700}
NARROW: ViewportSize = {"width": 390, "height": 844}
MARGIN = 16
QUALITY = 82
"""Of WebP, from 0 to 100: letters stay sharp, and a page takes some 50 KB."""

SETTINGS = "tests.demo.pictures.settings"
SITE = "http://127.0.0.1:8000"
"""What the pictures show, wherever the demo listens: the address of `make demo`."""


@dataclass
class Studio:
    """Where pictures are taken.

    Attributes:
        demo: The library.
        site: Address at which it listens.
        branch: Address of the library of the next town.
        callback: Where programs wait for the answer to a login.
        chromium: The browser.
        taken: Names of the pictures that were taken.
    """

    demo: Demo
    site: str
    branch: str
    callback: Callback
    chromium: Browser
    taken: list[str] = field(default_factory=list)

    @contextmanager
    def visit(
        self,
        username: str = "",
        size: ViewportSize = WIDE,
        colors: Literal["light", "dark"] = "light",
    ) -> Iterator[Page]:
        """Open a window, of which a user is logged in."""
        with browsing(
            self.chromium,
            viewport=size,
            device_scale_factor=2,
            color_scheme=colors,
            reduced_motion="reduce",
            timezone_id="UTC",
            locale="en-US",
        ) as page:
            # Nothing of this leaves the machine.
            page.route(re.compile("^https:"), lambda route: route.fulfill(body="Done"))
            if username:
                page.goto(f"{SITE}/login/?next=/loans/")
                log_in(page, username)
                page.wait_for_url("**/loans/")
            yield page

    def take(
        self,
        page: Page,
        name: str,
        *,
        of: Locator | None = None,
        height: float | None = None,
        margin: float = MARGIN,
    ) -> None:
        """Take a picture of a page's middle.

        Args:
            page: The page.
            name: Of the picture.
            of: What is on it, in place of the middle.
            height: At most so many pixels of it, from its top.
            margin: Pixels around it.
        """
        # No cursor blinks in a picture.
        page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
        box = (of or page.locator(".mcp").first).bounding_box()
        assert box is not None, name
        width = page.evaluate("document.documentElement.clientWidth")
        left, top = max(box["x"] - margin, 0), max(box["y"] - margin, 0)
        full = box["height"] + 2 * margin
        clip = {
            "x": left,
            "y": top,
            "width": min(box["width"] + 2 * margin, width - left),
            "height": full if height is None else min(full, height),
            "scale": 1,
        }
        session = page.context.new_cdp_session(page)
        answer = session.send(
            "Page.captureScreenshot",
            {
                "format": "webp",
                "quality": QUALITY,
                "clip": clip,
                "captureBeyondViewport": True,
            },
        )
        session.detach()
        (FOLDER / f"{name}.webp").write_bytes(base64.b64decode(answer["data"]))
        self.taken.append(name)


@contextmanager
def opened() -> Iterator[Studio]:
    """Serve two libraries, and start a browser that knows the first by `SITE`."""
    FOLDER.mkdir(exist_ok=True)
    expect.set_options(timeout=20_000)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "here").mkdir()
        demo = Demo(folder / "here" / "demo.sqlite3")
        demo.prepare()
        there = demo.copy_to(folder / "there")
        # By another name of the host: ports share cookies.
        of_branch = stack.enter_context(_serve(there, "demo_project.settings"))
        branch = of_branch.replace("127.0.0.1", "localhost")
        other = {"DEMO_OTHER_LIBRARY": f"{branch}/mcp"}
        site = stack.enter_context(_serve(demo, SETTINGS, **other))
        rule = f"MAP {_host(SITE)} {_host(site)}"
        chromium = start_chromium(f"--host-resolver-rules={rule}")
        yield Studio(
            demo,
            site,
            branch,
            stack.enter_context(listening()),
            stack.enter_context(chromium),
        )


def log_in(page: Page, username: str) -> None:
    """Log in, where a library asks for it; passwords are the names."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(username)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


@contextmanager
def _serve(demo: Demo, settings: str, **extra: str) -> Iterator[str]:
    extra["DEMO_DATABASE"] = str(demo.database)
    extra["DJANGO_SETTINGS_MODULE"] = settings
    log = demo.database.with_name("daphne.log")
    with serving("demo_project.asgi:application", log=log, extra=extra) as daphne:
        yield daphne.url


def _host(url: str) -> str:
    return url.removeprefix("http://")
