"""The catalogs: whole, up to the package, and such that Django can fill them in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import django
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from django.conf import global_settings
from django.utils.translation import to_language

from tests.translations.catalogs import (
    LOCALES,
    compiled_of,
    is_translated,
    languages,
    read,
    read_compiled,
    texts_of,
)
from tests.translations.sources import DEMO, PACKAGE, ROOT, find_messages

MENDED_BY: Final = "run `make messages`, and translate what it says is left"

# %(name)s and %d of Python, {name} and {} of str.format, and tags of HTML.
_PLACES: Final = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}|<[^>]*>")


each_catalog = pytest.mark.parametrize(
    ("package", "language"),
    [
        pytest.param(package, language, id=f"{package.name}-{language}")
        for package, folder in LOCALES.items()
        for language in languages(folder)
    ],
)


def translations(package: Path, language: str) -> Iterator[Message]:
    """Give what is translated into a language, without the header."""
    catalog = read(language, LOCALES[package])
    return (m for m in catalog if m.id and is_translated(m))


def keys(catalog: Catalog) -> set[tuple[str | None, str]]:
    """Give what Django looks translations up by: context, and text in the singular."""
    return {(message.context, singular(message)) for message in catalog if message.id}


def singular(message: Message) -> str:
    """Give the text that is translated, in the singular."""
    return message.id if isinstance(message.id, str) else message.id[0]


def test_languages_that_are_promised_are_there() -> None:
    """We promise it: German, Spanish, French, Chinese."""
    assert {"de", "es", "fr", "zh_Hans"} <= set(languages())
    assert languages(LOCALES[DEMO]) == languages()


@pytest.mark.parametrize("language", languages())
def test_django_has_the_language(language: str) -> None:
    """Chosen: else no request is ever answered in it."""
    assert to_language(language) in dict(global_settings.LANGUAGES)


def test_messages_are_found_in_code_and_templates() -> None:
    """Chosen: with their contexts and plurals, as `makemessages` would find them."""
    found = {(message.context, message.id) for message in find_messages()}

    assert {
        ("rights", "May"),  # a template
        ("console", "Clear"),  # code
        (None, "Skip to content"),
        (None, ("and %(more)s more", "and %(more)s more")),
        (None, ("%d token was revoked.", "%d tokens were revoked.")),
    } <= found


@pytest.fixture(scope="module")
def found() -> dict[Path, Catalog]:
    """Give the messages of each package."""
    return {package: find_messages(package) for package in LOCALES}


@each_catalog
def test_catalog_has_the_messages_of_the_package(
    package: Path, language: str, found: dict[Path, Catalog]
) -> None:
    """We promise it: no text is left out, and none is there that is not used."""
    known, wanted = keys(read(language, LOCALES[package])), keys(found[package])
    missing, left_over = wanted - known, known - wanted

    assert not missing, MENDED_BY
    assert not left_over, MENDED_BY


@each_catalog
def test_every_message_is_translated(package: Path, language: str) -> None:
    """We promise it: none is empty or fuzzy, and plurals have all their forms."""
    catalog = read(language, LOCALES[package])
    left = [message.id for message in catalog if not is_translated(message)]
    forms = {
        len(texts_of(m)) for m in translations(package, language) if m.pluralizable
    }

    assert not left, MENDED_BY
    assert forms <= {catalog.num_plurals}


@each_catalog
def test_placeholders_and_markup_are_those_of_the_message(
    package: Path, language: str
) -> None:
    """We promise it: a name that is wrong would be a 500, or a value that is lost."""
    wrong = []
    for message in translations(package, language):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        # All forms of a plural are filled in alike.
        wanted = Counter(_PLACES.findall(ids[-1]))
        wrong += [
            (text, sorted(wanted))
            for text in texts_of(message)
            if Counter(_PLACES.findall(text)) != wanted
        ]

    assert not wrong


@each_catalog
def test_translations_end_as_their_messages_do(package: Path, language: str) -> None:
    """Chosen: a full stop, colon or blank that is lost shows between two texts."""
    wrong = [
        (text, singular(message))
        for message in translations(package, language)
        for text in texts_of(message)
        if end_of(text) != end_of(singular(message))
        or blanks_around(text) > blanks_around(singular(message))
        or any(character < " " for character in text)
    ]

    assert not wrong


def blanks_around(text: str) -> int:
    """Count the ends at which a text has a blank; Chinese may do without."""
    return text[0].isspace() + text[-1].isspace()


def end_of(text: str) -> str:
    """Give how a text ends, in the punctuation of English; "" for a letter."""
    chinese = {"\u3002": ".", "\uff1a": ":", "\uff1f": "?"}
    last = chinese.get(text[-1], text[-1])
    return last if last in ".:?…" else ""


@each_catalog
def test_what_django_reads_is_what_was_translated(package: Path, language: str) -> None:
    """We promise it: `.mo` files are compiled from the `.po` files beside them."""
    compiled = [m for m in read_compiled(language, LOCALES[package]) if m.id]

    assert {(m.context, singular(m)): texts_of(m) for m in compiled} == {
        (m.context, singular(m)): texts_of(m) for m in translations(package, language)
    }, "run `make messages`"


@each_catalog
def test_words_of_django_stay_as_django_translates_them(
    package: Path, language: str
) -> None:
    """Chosen: Django puts all catalogs into one, and ours would change its pages.

    The month of May is the example: our word for a right needs a context.
    """
    root = Path(django.__file__).parent
    # Not many sites have admindocs, which call types classes in German.
    changed = []
    ours = list(translations(package, language))
    catalogs = set(root.glob(f"**/locale/{language}/LC_MESSAGES/django.mo"))
    # The demo has the package's pages, too.
    catalogs.add(compiled_of(language))
    for file in catalogs - set(root.glob("contrib/admindocs/**/django.mo")):
        with file.open("rb") as opened:
            theirs = read_mo(opened)
        for message in ours:
            known = theirs.get(singular(message), message.context)
            if known is not None and texts_of(known)[0] != texts_of(message)[0]:
                changed.append((message.id, texts_of(message)[0], texts_of(known)[0]))

    assert not changed, "translate them so, or give ours a context with `pgettext`"


GLOSSARY: Final = ROOT / "docs" / "explanation" / "translations.md"
_COLUMNS: Final = ("de", "es", "fr", "zh_Hans")


@pytest.mark.parametrize("language", _COLUMNS)
def test_words_of_the_glossary_are_used(language: str) -> None:
    """Chosen: a glossary that no catalog follows would mislead."""
    rows = [line for line in GLOSSARY.read_text("utf-8").splitlines() if "|" in line]
    words = [row.split("|")[2 + _COLUMNS.index(language)] for row in rows[2:]]
    said = " ".join(
        t for m in translations(PACKAGE, language) for t in texts_of(m)
    ).lower()

    assert words
    assert not [
        word
        for cell in words
        for word in re.split("[,\uff0c]", cell)
        if word.strip().lower() not in said
    ]
