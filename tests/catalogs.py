"""Translations for tests, compiled as `manage.py compilemessages` does."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

GERMAN: Final[Mapping[str, str]] = {
    "": "Content-Type: text/plain; charset=UTF-8\n",
    "The bakery": "Die Bäckerei",
    "Bread and rolls.": "Brot und Brötchen.",
    "Ask for bread first.": "Frag zuerst nach Brot.",
    "Bake": "Backen",
    "Bake a loaf.": "Einen Laib backen.",
    "Rye": "Roggen",
    "Wheat": "Weizen",
    "Kind of flour": "Mehlsorte",
    "Which flour?": "Welches Mehl?",
    "The oven is cold.": "Der Ofen ist kalt.",
    "Kneading": "Kneten",
}
"""Message -> its translation, the header of the catalog under ""."""


def write_catalog(folder: Path, language: str, messages: Mapping[str, str]) -> None:
    """Write a compiled catalog, for `LOCALE_PATHS`.

    Args:
        folder: The locale path.
        language: Such as "de".
        messages: Message -> translation; "" has the header.
    """
    target = folder / language / "LC_MESSAGES" / "django.mo"
    target.parent.mkdir(parents=True)
    pairs = [(key.encode(), text.encode()) for key, text in sorted(messages.items())]
    at = 28 + 16 * len(pairs)
    tables: list[list[int]] = [[], []]
    body = b""
    for column, table in enumerate(tables):
        for pair in pairs:
            table += [len(pair[column]), at + len(body)]
            body += pair[column] + b"\0"
    head = [0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, at]
    numbers = [*head, *tables[0], *tables[1]]
    target.write_bytes(struct.pack(f"<{len(numbers)}I", *numbers) + body)
