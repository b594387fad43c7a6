"""`make messages`: bring the catalogs up to the texts of the package and of the demo.

They are compiled, too. With the name of a language, such as "pt_BR", its catalogs are
begun.
"""

from __future__ import annotations

import sys

from babel import Locale, UnknownLocaleError

from tests.commands import say
from tests.translations.catalogs import (
    LOCALES,
    is_translated,
    languages,
    source_of,
    update,
)
from tests.translations.sources import ROOT, find_messages


def main(*added: str) -> None:
    """Update all catalogs, and say what is left to translate."""
    for language in added:
        _refuse_unknown(language)
    for package, folder in LOCALES.items():
        found = find_messages(package)
        for language in sorted({*languages(), *added}):
            catalog = update(language, found, folder)
            messages = [message for message in catalog if message.id]
            left = sum(not is_translated(message) for message in messages)
            file = source_of(language, folder).relative_to(ROOT)
            say(f"{file}: {len(messages)} messages, {left} left to translate")


def _refuse_unknown(language: str) -> None:
    try:
        known = str(Locale.parse(language))
    except (ValueError, UnknownLocaleError) as error:
        sys.exit(f"{language!r} is no language that is known, such as pt_BR: {error}")
    if known != language:
        sys.exit(f"{language!r} is written {known!r} here")


if __name__ == "__main__":
    main(*sys.argv[1:])
