"""Reads, updates and compiles the catalogs, one for each language of a package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from tests.translations.sources import DEMO, PACKAGE

LOCALE: Final = PACKAGE / "locale"
LOCALES: Final = {PACKAGE: LOCALE, DEMO: DEMO / "locale"}
"""Package -> the folder of its catalogs."""


class DatelessCatalog(Catalog):
    """A catalog whose header has no dates, so that what did not change stays the same.

    Its plural forms stay, too: releases of Babel differ in how many a language has.

    Args:
        known: The catalog whose header it has; of its messages there is none.
    """

    def __init__(self, known: Catalog) -> None:
        super().__init__(
            locale=known.locale, fuzzy=False, header_comment=known.header_comment
        )
        self._known = known

    @property
    def num_plurals(self) -> int:
        """How many forms a plural has."""
        return self._known.num_plurals

    @property
    def plural_forms(self) -> str:
        """Which number has which form."""
        return self._known.plural_forms

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """What the file says of itself."""
        return [
            ("Project-Id-Version", "mcp_django"),
            ("Language", str(self.locale)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]

    @mime_headers.setter
    def mime_headers(self, value: Iterable[tuple[str, str]]) -> None:
        """Take nothing from elsewhere."""


def languages(folder: Path = LOCALE) -> list[str]:
    """Give the languages that have a catalog, by the names of their folders."""
    return sorted(each.name for each in folder.iterdir() if each.is_dir())


def source_of(language: str, folder: Path = LOCALE) -> Path:
    """Say where the catalog is that translators work on."""
    return folder / language / "LC_MESSAGES" / "django.po"


def compiled_of(language: str, folder: Path = LOCALE) -> Path:
    """Say where the catalog is that Django reads."""
    return source_of(language, folder).with_suffix(".mo")


def read(language: str, folder: Path = LOCALE) -> Catalog:
    """Read the catalog of a language, with what is left to do in it."""
    with source_of(language, folder).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def read_compiled(language: str, folder: Path = LOCALE) -> Catalog:
    """Read what Django reads."""
    with compiled_of(language, folder).open("rb") as file:
        return read_mo(file)


def update(language: str, found: Catalog, folder: Path = LOCALE) -> Catalog:
    """Bring a catalog up to what was found in the package, and compile it.

    Translations of texts that stayed are kept. Those of texts that are much like a new
    one are offered for that, marked as fuzzy; all others go.

    Args:
        language: As its folder is called; one that is new is begun.
        found: The messages of the package.
        folder: Where the catalogs are.
    """
    source = source_of(language, folder)
    if source.exists():
        known = read(language, folder)
    else:
        source.parent.mkdir(parents=True)
        name = Locale.parse(language).english_name
        known = Catalog(locale=language, header_comment=f"# mcp_django in {name}.")
    known.update(found)
    updated = DatelessCatalog(known)
    for message in known:
        if message.id:
            # What a text was before is said once, while its translation is in doubt.
            comments = [
                line for line in message.user_comments if not line.startswith("|")
            ]
            message.user_comments = comments
            updated[message.id] = message
    with source.open("wb") as file:
        write_po(
            file,
            updated,
            width=88,
            include_lineno=False,
            include_previous=True,
            ignore_obsolete=True,
        )
    with compiled_of(language, folder).open("wb") as file:
        write_mo(file, updated)
    return updated


def is_translated(message: Message) -> bool:
    """Say whether nothing is left to do for a message."""
    texts = texts_of(message)
    return bool(texts) and all(texts) and not message.fuzzy


def texts_of(message: Message) -> list[str]:
    """Give a translation, in all its plural forms."""
    text = message.string
    return [text] if isinstance(text, str) else list(text or ())
