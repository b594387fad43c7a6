"""Finds what is to be translated in code and templates.

It is what `manage.py makemessages` finds, without the programs of GNU gettext.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "mcp_django"
DEMO: Final = ROOT / "demo_project"

_ONE: Final = (1,)
_PLURAL: Final = (1, 2)
_IN_CONTEXT: Final = ((1, "c"), 2)
_PLURAL_IN_CONTEXT: Final = ((1, "c"), 2, 3)
_KEYWORDS: Final = {
    "_": _ONE,
    "gettext": _ONE,
    "gettext_lazy": _ONE,
    "gettext_noop": _ONE,
    "ngettext": _PLURAL,
    "ngettext_lazy": _PLURAL,
    "pgettext": _IN_CONTEXT,
    "pgettext_lazy": _IN_CONTEXT,
    "npgettext": _PLURAL_IN_CONTEXT,
    "npgettext_lazy": _PLURAL_IN_CONTEXT,
}


def find_messages(package: Path = PACKAGE) -> Catalog:
    """Give all messages of a package, in the order of the files that they are in."""
    found = Catalog()
    for file in sorted([*package.rglob("*.py"), *package.rglob("*.html")]):
        place = file.relative_to(ROOT).as_posix()
        for line, message, comments, context in extract(
            "python",
            BytesIO(_read(file)),
            keywords=_KEYWORDS,
            comment_tags=["Translators:"],
        ):
            found.add(
                message,
                locations=[(place, line)],
                auto_comments=comments,
                context=context,
            )
    return found


def _read(file: Path) -> bytes:
    """Give code; of a template, what is in it to translate, as calls in Python."""
    if file.suffix == ".py":
        code = file.read_bytes()
        # To read all others would take several seconds.
        return code if b"gettext" in code else b""
    return "\n".join(_lines(file)).encode()


def _lines(template: Path) -> Iterator[str]:
    # What stands between the calls is made of X, and would be badly indented.
    for line in templatize(template.read_text("utf-8")).splitlines():
        yield line.strip()
