"""Pictures, sounds and files as results."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.fields.files import FieldFile, FileField
from mcp_types import TextContent
from pytest_django import Settings

from mcp_django import Audio, File, Image, Server, ToolError
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.results.media import Media
from mcp_django.server.results.prompt_results import prompt_result
from mcp_django.server.results.resource_contents import resource_contents
from mcp_django.server.results.tool_results import ToolOutput
from tests.server.calls import LATEST, MODERN, Caller

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
PICTURE = {
    "type": "image",
    "data": base64.b64encode(PNG).decode(),
    "mimeType": "image/png",
}
WORDS = {"type": "text", "text": "a dot"}


def field_file(data: bytes, name: str) -> FieldFile:
    """Make what a model's `FileField` gives."""
    storage = InMemoryStorage()
    saved = storage.save(name, ContentFile(data))
    return FieldFile(None, FileField(storage=storage), saved)  # type: ignore[arg-type]


def written(data: bytes) -> io.BytesIO:
    """Make a buffer that something was just written to."""
    buffer = io.BytesIO()
    buffer.write(data)
    return buffer


SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: PNG,
    "a bytearray": lambda path: bytearray(PNG),
    "a memoryview": lambda path: memoryview(PNG),
    "a path": lambda path: path,
    "a path as text": str,
    "an open file": lambda path: path.open("rb"),
    "a buffer": lambda path: written(PNG),
    "a file of a model": lambda path: field_file(PNG, "a/dot.png"),
    "an upload": lambda path: SimpleUploadedFile("dot.png", PNG),
    "content": lambda path: ContentFile(PNG),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_picture_is_read_from_many_sources(tmp_path: Path, make: Any) -> None:
    """We chose it: whatever a handler has at hand."""
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    source = make(path)

    image = Image(source)

    assert image.block() == PICTURE
    if hasattr(source, "close"):
        source.close()


def test_file_of_a_model_may_be_open_already() -> None:
    """We chose it: it is read from its beginning, and stays open."""
    file = field_file(PNG, "dot.png")
    with file.open() as opened:
        opened.read(4)
        assert Image(file).data == PNG
        assert not file.closed
    assert Image(file).data == PNG


TYPES: dict[str, tuple[type[Media], bytes, str | None, str]] = {
    "png": (Image, PNG, None, "image/png"),
    "jpeg": (Image, b"\xff\xd8\xff\xe0..", None, "image/jpeg"),
    "gif": (Image, b"GIF89a....", None, "image/gif"),
    "webp": (Image, b"RIFF\x24\x00\x00\x00WEBPVP8 ", None, "image/webp"),
    "svg by its content": (Image, b"\n <svg xmlns=''/>", None, "image/svg+xml"),
    "svg by its name": (Image, b"<?xml version='1.0'?>", "a b.svg", "image/svg+xml"),
    "a name that is wrong": (Image, PNG, "dot.jpg", "image/png"),
    "wav": (Audio, WAV, None, "audio/wav"),
    "mp3": (Audio, b"ID3\x04\x00", None, "audio/mpeg"),
    "mp3 without a head": (Audio, b"\xff\xfb\x90\x64", None, "audio/mpeg"),
    "ogg": (Audio, b"OggS\x00\x02", None, "audio/ogg"),
    "flac": (Audio, b"fLaC\x00", None, "audio/flac"),
    "m4a": (Audio, b"\x00\x00\x00\x20ftypM4A ", None, "audio/mp4"),
    "csv": (File, b"a,b", "rows.csv", "text/csv"),
    "pdf": (File, b"%PDF-1.7", None, "application/pdf"),
    "a packed one": (File, b"\x1f\x8b", "rows.csv.gz", "application/octet-stream"),
    "anything": (File, b"\x00\x01", None, "application/octet-stream"),
}


@pytest.mark.parametrize(
    ("kind", "data", "name", "mime_type"), TYPES.values(), ids=TYPES
)
def test_type_is_told_by_content_and_name(
    kind: type[Media], data: bytes, name: str | None, mime_type: str
) -> None:
    """We chose it: of pictures and sounds the content knows best, of files the name."""
    assert kind(ContentFile(data, name=name)).mime_type == mime_type


def test_type_may_be_given() -> None:
    """We chose it."""
    assert Image(b"\x00", mime_type="image/x-dot").mime_type == "image/x-dot"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Image(b"%PDF-"), "pass mime_type='image/...', or use File"),
        (lambda: Image(b""), "the source is no Image"),
        (lambda: Audio(PNG), "the source is no Audio"),
        (lambda: Image(PNG, mime_type="text/plain"), "mime_type='text/plain'"),
    ],
)
def test_what_is_no_picture_is_refused(make: Any, message: str) -> None:
    """We chose it: hosts give up on a picture that is none."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Image(5), "cannot read int; give bytes, a path"),  # type: ignore[arg-type]
        (lambda: File(io.StringIO("a")), "is open for text; open it with 'rb'"),
    ],
)
def test_what_is_no_source_is_refused(make: Any, message: str) -> None:
    """We chose it."""
    with pytest.raises(TypeError, match=message):
        make()


class Endless(io.RawIOBase):
    """A file that has more bytes than anybody reads."""

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        return b"x" * size


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"x" * 11,
        lambda: written(b"x" * 11),
        lambda: Endless(),
        lambda: field_file(b"x" * 11, "a.txt"),
    ],
)
def test_size_is_bounded(settings: Settings, make: Callable[[], Any]) -> None:
    """We chose it: a setting, and no more is read."""
    settings.MCP = {"MAX_FILE_BYTES": 10}

    with pytest.raises(ToolError, match="too large to be sent: at most 10 bytes"):
        File(make())


FILES: dict[str, tuple[Callable[[], File], JSONObject]] = {
    "text": (
        lambda: File(b"a,b", name="r 1.csv"),
        {"uri": "file:///r%201.csv", "mimeType": "text/csv", "text": "a,b"},
    ),
    "no text": (
        lambda: File(b"\xff", name="r.csv"),
        {"uri": "file:///r.csv", "mimeType": "text/csv", "blob": "/w=="},
    ),
    "without a name": (
        lambda: File(b"\x00"),
        {
            "uri": "file:///file",
            "mimeType": "application/octet-stream",
            "blob": "AA==",
        },
    ),
    "with a URI": (
        lambda: File(b"{}", uri="shop://rows", mime_type="application/json"),
        {"uri": "shop://rows", "mimeType": "application/json", "text": "{}"},
    ),
    "of a model": (
        lambda: File(field_file(b"%PDF-", "bills/2026/b.pdf")),
        {
            "uri": "file:///b.pdf",
            "mimeType": "application/pdf",
            "blob": "JVBERi0=",
        },
    ),
}


@pytest.mark.parametrize(("make", "resource"), FILES.values(), ids=FILES)
def test_file_is_a_resource_of_its_own(
    make: Callable[[], File], resource: JSONObject
) -> None:
    """Spec: 2025-11-25 server/tools, "Embedded Resources"."""
    assert make().block() == {"type": "resource", "resource": resource}


@pytest.mark.parametrize(
    ("returns", "value", "content"),
    [
        (Image, Image(PNG), [PICTURE]),
        (Any, Image(PNG), [PICTURE]),
        (Image | None, None, []),
        (list[Image], [Image(PNG)] * 2, [PICTURE] * 2),
        (list[Image], [], []),
        (list[str | Image], ["a dot", Image(PNG)], [WORDS, PICTURE]),
        (tuple[str, Image], ("a dot", Image(PNG)), [WORDS, PICTURE]),
        (
            list[TextContent | Image],
            [TextContent(text="a dot"), Image(PNG)],
            [WORDS, PICTURE],
        ),
        (Any, ["a dot", Image(PNG)], [WORDS, PICTURE]),
    ],
)
def test_tool_returns_them_alone_and_beside_others(
    returns: Any, value: Any, content: list[JSONObject]
) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Result": several content items."""
    output = ToolOutput.of(returns)

    assert output.schema is None
    assert output.result(value) == {"content": content}


def test_list_of_anything_is_structured_with_them() -> None:
    """We chose it: as for content blocks."""
    result = ToolOutput.of(list).result(["a dot", Image(PNG)])

    assert result == {
        "content": [WORDS, PICTURE],
        "structuredContent": ["a dot", PICTURE],
    }


def test_prompt_shows_them() -> None:
    """Spec: 2025-11-25 server/prompts, "Image Content"."""
    assert prompt_result(["a dot", Image(PNG)], None) == {
        "messages": [
            {"role": "user", "content": WORDS},
            {"role": "user", "content": PICTURE},
        ]
    }


@pytest.mark.parametrize("kind", [Image, Audio, File])
@pytest.mark.parametrize("saved", ["", None])
def test_empty_field_is_an_error_that_names_it(kind: Any, saved: Any) -> None:
    """We chose it: the client is told that there is nothing to be seen."""
    field = FileField(name="photo", storage=InMemoryStorage())
    empty = FieldFile(None, field, saved)  # type: ignore[arg-type]

    with pytest.raises(ToolError, match=r"^photo has no file$"):
        kind(empty)


def test_resource_may_have_them_beside_text() -> None:
    """We promise it: as tools have."""
    picture = {"uri": "shop://a", "mimeType": "image/png", "blob": PICTURE["data"]}

    contents = resource_contents(["a dot", Image(PNG)], "shop://a", "text/markdown")

    words = {"uri": "shop://a", "mimeType": "text/plain", "text": "a dot"}
    assert contents == [words, picture]


def test_resource_is_read_from_them() -> None:
    """We chose it: the type that the resource was registered with goes first."""
    uri = "shop://dot"
    blob = PICTURE["data"]
    wanted = {"uri": uri, "mimeType": "image/png", "blob": blob}

    assert resource_contents(Image(PNG), uri, None) == [wanted]
    assert resource_contents(Image(PNG), uri, "image/x-dot") == [
        wanted | {"mimeType": "image/x-dot"}
    ]
    assert resource_contents([Image(PNG), File(b"a", name="a.txt")], uri, None) == [
        wanted,
        {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "a"},
    ]
    assert resource_contents(File(b"a", name="a.txt"), uri, None) == [
        {"uri": uri, "mimeType": "text/plain", "text": "a"}
    ]


@pytest.mark.parametrize("version", ["2024-11-05", LATEST, MODERN])
async def test_they_go_over_the_wire(version: str) -> None:
    """We promise it: sounds are told in words where they are not known."""
    server = Server("shop")

    @server.tool
    async def show() -> list[str | Image | Audio]:
        return ["a dot", Image(PNG), Audio(WAV)]

    result = await Caller(server, version=version).call_tool("show")

    first, second, third = result["content"]
    assert (first, second) == (WORDS, PICTURE)
    assert third["type"] == ("text" if version == "2024-11-05" else "audio")


async def test_file_that_is_too_large_is_told_to_the_model(settings: Settings) -> None:
    """We promise it: the model may ask for less."""
    settings.MCP = {"MAX_FILE_BYTES": 10}
    server = Server("shop")

    @server.tool
    def show() -> File:
        return File(b"x" * 11, name="rows.csv")

    result = await Caller(server).call_tool("show")

    assert result["isError"]
