"""Everything that people read on pages and in the admin can be translated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Field, Model
from django.utils.functional import Promise

from tests.translations.sources import DEMO, PACKAGE

TEMPLATES: Final = [
    template
    for package in (PACKAGE, DEMO)
    for template in sorted(package.rglob("templates/**/*.html"))
]

_TRANSLATED: Final = re.compile(
    r"\{%\s*blocktrans(?:late)?\b.*?\{%\s*endblocktrans(?:late)?\s*%\}", re.DOTALL
)
_CODE: Final = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_NO_TEXT: Final = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_CLASSES: Final = re.compile(r"\{% block bodyclass %\}.*?\{% endblock %\}", re.DOTALL)
_READ_OUT: Final = re.compile(
    r'(?<![\w-])(?:alt|aria-label|placeholder|title)="([^"]*)"'
)
NOT_SHOWN: Final = frozenset({"lock_holder", "locked_until"})
"""Fields that no page has."""

_TAG: Final = re.compile(r"<[^>]*>")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def words_of(template: str) -> list[str]:
    """Find the words of a template that are not translated."""
    text = _TRANSLATED.sub(" ", _CLASSES.sub("", template))
    text = _NO_TEXT.sub(" ", _CODE.sub(" ", text))
    shown = [*_READ_OUT.findall(text), _TAG.sub(" ", text)]
    entities = re.compile(r"&#?\w+;")
    return [word for part in shown for word in _WORD.findall(entities.sub("", part))]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('<p class="x">{% translate "Yes" %}</p>', []),
        ("<p>No {{ name }}</p>", ["No"]),
        ('<a title="Away">{% blocktranslate %}Go{% endblocktranslate %}</a>', ["Away"]),
        ("&rsaquo; · {# a comment #}", []),
    ],
)
def test_words_that_are_not_translated_are_found(
    template: str, words: list[str]
) -> None:
    """What the next test stands on."""
    assert words_of(template) == words


def name_of(template: Path) -> str:
    """Name a template as Django does."""
    return template.as_posix().rpartition("/templates/")[2]


@pytest.mark.parametrize("file", TEMPLATES, ids=name_of)
def test_template_has_no_word_that_is_not_translated(file: Path) -> None:
    """We promise it: gettext throughout."""
    assert words_of(file.read_text("utf-8")) == []


def our_models() -> list[type[Model]]:
    """Give the models of our apps."""
    return [
        model
        for model in apps.get_models()
        if model.__module__.startswith("mcp_django.")
    ]


def test_models_and_fields_have_names_in_every_language() -> None:
    """Chosen: what Django makes of an attribute's name would be English."""
    assert our_models()
    assert not [text for model in our_models() for text in fixed_texts(model)]


def fixed_texts(model: type[Model]) -> Iterator[str]:
    """Find what the admin shows of a model, and gettext does not know."""
    meta = model._meta
    texts: dict[str, Any] = {
        "its app": meta.app_config.verbose_name,
        "verbose_name": meta.verbose_name,
        "verbose_name_plural": meta.verbose_name_plural,
    }
    for field in meta.get_fields():
        if not isinstance(field, Field) or field.primary_key:
            continue
        if field.name in NOT_SHOWN:
            continue
        texts[field.name] = field.verbose_name
        texts[f"help_text of {field.name}"] = field.help_text
        texts |= {f"{field.name}: {key}": t for key, t in field.flatchoices}
    for name, text in texts.items():
        if text and not isinstance(text, Promise):
            yield f"{model.__name__}: {name} is {text!r}"


def test_columns_filters_and_actions_of_the_admin_have_names_in_every_language() -> (
    None
):
    """Chosen: as for fields."""
    found = [
        f"{model.__name__}: {name} is {text!r}"
        for model in our_models()
        if (known := admin.site._registry.get(model)) is not None
        for name, text in named_by(known)
        if not isinstance(text, Promise)
    ]

    assert not found


def named_by(shown: admin.ModelAdmin[Any]) -> Iterator[tuple[str, object]]:
    """Give what an admin names itself: columns, filters and actions."""
    names = {*shown.list_display, *shown.readonly_fields, *(shown.actions or ())}
    for name in names - {"__str__"}:
        method = getattr(shown, str(name), None)
        if callable(method):
            yield str(name), getattr(method, "short_description", name)
    for each in shown.list_filter:
        if isinstance(each, type) and issubclass(each, admin.SimpleListFilter):
            yield each.__name__, each.title
