"""The documentation agrees with the code, as far as a program can tell."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mcp_django
from mcp_django.client.client import Client
from mcp_django.client.sync import SyncClient
from mcp_django.conf import DEFAULTS
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.server import Server

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of Python.

    Attributes:
        place: Page and line.
        code: What is in it.
    """

    place: str
    code: str


def python_blocks() -> Iterator[Block]:
    """Give every block that is marked as Python, which is what readers may paste."""
    for page in PAGES:
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            if found[1] == "python":
                line = text.count("\n", 0, found.start()) + 2
                yield Block(f"{page.relative_to(ROOT)}:{line}", found[2])


def prose(page: Path) -> str:
    """Give the text of a page without its blocks."""
    return _BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Give the anchors that a page's headings have, as code hosts make them."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }


BLOCKS = list(python_blocks())


def test_reference_names_what_is_public() -> None:
    """Chosen: public is what `__all__` lists and the reference documents."""
    headings = _HEADING.findall(prose(REFERENCE / "api.md"))
    named = [
        found[1] for h in headings if (found := re.fullmatch(r"`mcp_django\.(\w+)`", h))
    ]

    assert sorted(named) == mcp_django.__all__


@pytest.mark.parametrize("kind", [Server, Context, SyncContext, Client, SyncClient])
def test_reference_names_methods_and_their_arguments(kind: type) -> None:
    """Chosen: whoever looks a method up finds all of it."""
    text = (REFERENCE / "api.md").read_text()
    words = set(re.findall(r"\w+", text))

    for name, member in inspect.getmembers(kind):
        if name.startswith("_"):
            continue
        assert name in words, f"{kind.__name__}.{name} is not in api.md"
        if inspect.isfunction(member):
            parameters = set(inspect.signature(member).parameters) - {"self"}
            assert parameters <= words, f"{kind.__name__}.{name}"


def section_of(name: str) -> str:
    """Give what the reference says under the heading of a dotted name."""
    text = (REFERENCE / "api.md").read_text()
    _, found, rest = text.partition(f"\n### `{name}`\n")
    assert found, name
    return re.split(r"^###? ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize(
    "name",
    [
        "mcp_django.Server",
        "mcp_django.Client",
        "mcp_django.transports.client.stdio.StdioClientTransport",
        "mcp_django.transports.client.streamable_http.StreamableHTTPClientTransport",
        "mcp_django.transports.client.sse.SSEClientTransport",
        "mcp_django.transports.client.websocket.WebSocketClientTransport",
        "mcp_django.transports.StreamPairTransport",
    ],
)
def test_reference_names_what_classes_are_made_with(name: str) -> None:
    """Chosen: all of it stands in one place."""
    words = set(re.findall(r"\w+", section_of(name)))

    assert set(inspect.signature(resolve(name)).parameters) <= words


@pytest.mark.parametrize(
    "name",
    [
        "mcp_django.Server",
        "mcp_django.Client",
        "mcp_django.transports.client.stdio.StdioClientTransport",
        "mcp_django.transports.client.streamable_http.StreamableHTTPClientTransport",
        "mcp_django.transports.client.websocket.WebSocketClientTransport",
    ],
)
def test_reference_shows_how_classes_are_called(name: str) -> None:
    """Chosen: every argument in its place, with its default."""
    found = _BLOCK.search(section_of(name))
    assert found is not None
    call = ast.parse(found[2], mode="eval").body
    assert isinstance(call, ast.Call)
    shown = {ast.unparse(argument): "" for argument in call.args}
    shown |= {str(each.arg): ast.unparse(each.value) for each in call.keywords}

    parameters = inspect.signature(resolve(name)).parameters
    assert [*shown] == [*parameters]
    for key, parameter in parameters.items():
        if shown[key] and not callable(parameter.default):
            assert eval(shown[key]) == parameter.default, key


def test_reference_lists_every_dotted_name_that_exists() -> None:
    """Chosen: what the reference names can be imported."""
    headings = _HEADING.findall(prose(REFERENCE / "api.md"))
    dotted = [
        found[1] for h in headings if (found := re.match(r"`(mcp_django\.[\w.]+)", h))
    ]

    assert dotted
    for path in dotted:
        resolve(path)


def resolve(path: str) -> Any:
    """Import what a dotted path names: a module, or something in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def test_docstrings_of_all_that_is_public_are_pages_of_the_site() -> None:
    """Chosen: what the reference names can be looked up as the source has it, too."""
    shown = {
        found
        for page in (REFERENCE / "python").glob("*.md")
        for found in re.findall(
            r"^\.\. auto\w+:: (\S+)$", page.read_text(), re.MULTILINE
        )
    }
    headings = _HEADING.findall(prose(REFERENCE / "api.md"))
    named = {
        found[1] for h in headings if (found := re.match(r"`(mcp_django\.[\w.]+)", h))
    }

    assert named <= shown
    for path in shown:
        resolve(path)


def test_settings_page_lists_every_setting_with_its_default() -> None:
    """Chosen: one documented place, and it is right."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| `(.+?)` \| .+ \|$",
        (REFERENCE / "settings.md").read_text(),
        re.MULTILINE,
    )

    assert [key for key, _ in rows] == list(DEFAULTS)
    assert {key: ast.literal_eval(default) for key, default in rows} == DEFAULTS


def test_checks_page_lists_every_check() -> None:
    """Chosen: an id in a terminal can be looked up."""
    package = ROOT / "mcp_django"
    used = {
        id
        for source in [*package.glob("**/checks/*.py"), *package.glob("**/checks.py")]
        for id in re.findall(r"mcp_django\.([EW][01]\d\d)\b", source.read_text())
    }
    listed = re.findall(
        r"^\| `mcp_django\.(\w+)` \|",
        (REFERENCE / "checks.md").read_text(),
        re.MULTILINE,
    )

    assert sorted(listed) == sorted(used)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_python_in_the_docs_compiles(block: Block) -> None:
    """Chosen: what is marked as Python can be pasted."""
    compile(block.code, block.place, "exec", dont_inherit=True)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_names_that_the_docs_import_exist(block: Block) -> None:
    """Chosen: of our own names, none was renamed behind the reader's back."""
    for node in ast.walk(ast.parse(block.code)):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module.partition(".")[0] == "mcp_django":
            for alias in node.names:
                resolve(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_resolve(page: Path) -> None:
    """Chosen: no reader ends at a page that is not there."""
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_pictures_are_those_that_pages_show() -> None:
    """Chosen: none is missing, and none is taken that is not looked at."""
    shown = {
        found
        for page in PAGES
        for found in re.findall(r"pictures/([\w-]+\.webp)", page.read_text())
    }

    assert shown == {path.name for path in (ROOT / "docs/how-to/pictures").iterdir()}


_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_tests_that_a_page_names_exist() -> None:
    """Our choice: such as those that show what the page on security says."""
    named = [(page, *found) for page in PAGES for found in _TEST.findall(prose(page))]
    assert len(named) > 40
    missing = [
        f"{page.name}: {path}::{name}"
        for page, path, name in named
        if not (ROOT / path).is_file()
        or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]
    assert missing == []
