"""Each template of the package gives way to one of the same name in the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client
from pytest_django import Settings

import mcp_django
from mcp_django.tokens.models import Token

PACKAGE = Path(mcp_django.__file__).parent
SOURCES = {
    path.relative_to(folder).as_posix(): path.read_text()
    for folder in PACKAGE.glob("**/templates")
    for path in folder.glob("**/*.html")
}
BLOCKS = re.compile(r"\{% block (\w+) %\}")
OF_PAGES = [name for name in SOURCES if name.startswith("mcp_django/pages/")]


def own(name: str) -> str:
    """Write a project's own template: with a mark in each block, or before all."""
    blocks = BLOCKS.findall(SOURCES[name])
    if not blocks:
        return f"<!-- {name} -->{SOURCES[name]}"
    marked = [
        f"{{% block {block} %}}<!-- {name} {block} -->{{{{ block.super }}}}"
        "{% endblock %}"
        for block in blocks
    ]
    return "".join([f'{{% extends "{name}" %}}', *marked])


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Path:
    """Give the project templates of its own, of all names."""
    for name in SOURCES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(own(name))
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    return tmp_path


def test_templates_are_found_by_their_names(project: Path) -> None:
    """We promise it: all of them, of whichever app."""
    for name in SOURCES:
        found: Any = get_template(name)
        assert Path(found.origin.name) == project / name


@pytest.mark.django_db
def test_pages_are_made_of_the_project_s_templates(project: Path) -> None:
    """We promise it: and of each block that a template has."""
    client = Client()
    clerk = User.objects.create_superuser("clerk")
    client.force_login(clerk)
    token, _ = Token.issue(clerk, "Laptop")
    headers: Any = {"accept": "text/html"}
    paths = ("", "/connect/", "/console/", "/programs/")
    answers = [client.get(f"/mcp{path}", headers=headers) for path in paths]
    answers.append(client.get(f"/mcp/programs/revoke/?token={token.pk}"))
    form = answers[1].context["form"].initial["form"]
    sent = {"form": form, "name": "Desk", "expires": "7", "scopes": ["mcp:read"]}
    answers.append(client.post("/mcp/connect/", sent))
    pages = "".join(answer.content.decode() for answer in answers)
    wanted = {
        f"<!-- {name} {block} -->" if block else f"<!-- {name} -->"
        for name in OF_PAGES
        if not name.endswith("not_migrated.html")
        for block in BLOCKS.findall(SOURCES[name]) or [""]
    }

    assert {answer.status_code for answer in answers} == {200}
    assert {mark for mark in wanted if mark not in pages} == set()
    # The pages fill the other blocks of what they extend.
    assert pages.count("<!-- mcp_django/base.html header -->") == len(answers)


def test_guide_names_the_templates_of_the_pages() -> None:
    """Chosen: what can be replaced is found without reading the code."""
    guide = (PACKAGE.parent / "docs/how-to/pages.md").read_text()

    assert [name for name in OF_PAGES if Path(name).name not in guide] == []
