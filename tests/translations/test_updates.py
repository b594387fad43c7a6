"""What `make messages` does with the catalogs."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from tests.translations.__main__ import main
from tests.translations.catalogs import (
    compiled_of,
    read,
    read_compiled,
    source_of,
    update,
)


def found(*messages: str) -> Catalog:
    """Give messages, as they are found in the package."""
    catalog = Catalog()
    for number, message in enumerate(messages):
        catalog.add(message, locations=[("mcp_django/bakery.py", number)])
    return catalog


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """Begin a catalog, and translate one of two messages."""
    update("de", found("Bake a loaf of bread", "Oven"), tmp_path)
    source = source_of("de", tmp_path)
    text = source.read_text("utf-8")
    source.write_text(
        text.replace(
            'msgid "Bake a loaf of bread"\nmsgstr ""',
            'msgid "Bake a loaf of bread"\nmsgstr "Einen Laib Brot backen"',
        ),
        "utf-8",
    )
    return tmp_path


def test_translations_are_kept_and_compiled(german: Path) -> None:
    """We promise it: also where texts have moved."""
    update("de", found("Oven", "Flour", "Bake a loaf of bread"), german)

    texts = {message.id: message.string for message in read("de", german) if message.id}
    assert texts == {
        "Oven": "",
        "Flour": "",
        "Bake a loaf of bread": "Einen Laib Brot backen",
    }
    assert [m.id for m in read_compiled("de", german) if m.id] == [
        "Bake a loaf of bread"
    ]


def test_translation_of_a_text_that_changed_is_offered(german: Path) -> None:
    """Chosen: as by GNU gettext, and Django does not show it until it is looked at."""
    update("de", found("Bake a loaf of bread!"), german)

    [offered] = [message for message in read("de", german) if message.id]
    assert (offered.string, offered.fuzzy) == ("Einen Laib Brot backen", True)
    assert not [message for message in read_compiled("de", german) if message.id]


def test_nothing_changes_where_no_text_has(german: Path) -> None:
    """Chosen: no dates and no lines, so that a difference is one of texts."""
    update("de", found("Bake a loaf of bread", "Oven"), german)
    files = [source_of("de", german), compiled_of("de", german)]
    before = [file.read_bytes() for file in files]
    update("de", found("Bake a loaf of bread", "Oven"), german)

    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("klingon_", "is no language that is known"),
        ("zh-hans", "is no language that is known"),
        ("pt_br", "is written 'pt_BR' here"),
    ],
)
def test_language_that_is_none_is_refused(language: str, said: str) -> None:
    """Chosen: before any file is touched."""
    with pytest.raises(SystemExit, match=said):
        main(language)
