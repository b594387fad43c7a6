"""Pictures, sounds and files, as handlers return them."""

from __future__ import annotations

import mimetypes
import os
from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeAlias
from urllib.parse import quote

from django.core.files.base import File as DjangoFile
from django.db.models.fields.files import FieldFile

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ToolError
from mcp_django.protocol.jsonrpc import JSONObject


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int = ..., /) -> Any:
        """Give so many bytes."""


Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | Readable
"""Bytes; the path of a file; a file of Django's, such as a `FieldFile`; an open one."""

_UNKNOWN_TYPE: Final = "application/octet-stream"

# Beginning of the content -> type. A dot stands for any byte.
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF....WEBP", "image/webp"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"....ftypavif", "image/avif"),
    (b"....ftypheic", "image/heic"),
    (b"....ftypM4A ", "audio/mp4"),
    (b"<svg", "image/svg+xml"),
    (b"RIFF....WAVE", "audio/wav"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"FORM....AIFF", "audio/aiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)

# Without what the machine adds, so that the same name means the same everywhere.
_types = mimetypes.MimeTypes()
_types.add_type("image/webp", ".webp")
_types.add_type("image/avif", ".avif")
_types.add_type("audio/flac", ".flac")
_types.add_type("audio/ogg", ".ogg")
_types.add_type("audio/mp4", ".m4a")
_types.add_type("audio/wav", ".wav")
_types.add_type("text/markdown", ".md")


class Media:
    """What is sent as base64, with its type.

    The source is read at once; in `async def` handlers, paths and files of Django's are
    better opened in a thread (`await sync_to_async(Image)(...)`).

    Args:
        source: Where it comes from. An open file is read from its beginning if it can
            be rewound, and stays open.
        mime_type: Its type; told by content or name if left out.

    Raises:
        ToolError: It has more than `MCP["MAX_FILE_BYTES"]` bytes, or is the empty file
            field of a row.
        TypeError: The source is of another kind, or a file of text.
        ValueError: Its type cannot be told, or is of another family.
    """

    family: ClassVar[str] = ""

    def __init__(self, source: Source, *, mime_type: str | None = None) -> None:
        self.name = _name_of(source)
        self.data = _read(source, self.name)
        self.mime_type = mime_type or self._guess()
        if not self.mime_type.startswith(self.family):
            kind, shown = type(self).__name__, self.name or "the source"
            given = "" if mime_type is None else f" (mime_type={mime_type!r})"
            raise ValueError(
                f"{shown} is no {kind}, or of a kind that is not known here{given}; "
                f"pass mime_type='{self.family}...', or use File"
            )

    def _guess(self) -> str:
        return _by_content(self.data) or _by_name(self.name) or _UNKNOWN_TYPE

    def block(self) -> JSONObject:
        """Write it as a content block."""
        return {
            "type": self.family.rstrip("/"),
            "data": b64encode(self.data).decode(),
            "mimeType": self.mime_type,
        }

    def contents(self, uri: str, mime_type: str | None = None) -> JSONObject:
        """Write it as the contents of a resource.

        Args:
            uri: Of the resource.
            mime_type: That the resource was registered with; goes before its own.
        """
        blob = b64encode(self.data).decode()
        return {"uri": uri, "mimeType": mime_type or self.mime_type, "blob": blob}

    def __repr__(self) -> str:
        shown = "" if self.name is None else f"{self.name!r}, "
        size = len(self.data)
        return f"<{type(self).__name__} {shown}{self.mime_type}, {size} bytes>"


class Image(Media):
    """A picture, for the model to see."""

    family = "image/"


class Audio(Media):
    """A sound, for the model to hear."""

    family = "audio/"


class File(Media):
    """Any file, as a resource within the result.

    What is of a type of text and is UTF-8 is sent as text.

    Args:
        source: As for `Image`.
        mime_type: Its type; told by name or content if left out.
        name: What to call it; the last part of the source's name if left out.
        uri: Of the resource; `file:///` and the name if left out.
    """

    def __init__(
        self,
        source: Source,
        *,
        mime_type: str | None = None,
        name: str | None = None,
        uri: str | None = None,
    ) -> None:
        self._given_name = name
        super().__init__(source, mime_type=mime_type)
        self.name = name or self.name
        self.uri = uri or f"file:///{quote(self.name or 'file')}"

    def _guess(self) -> str:
        name = self._given_name or self.name
        return _by_name(name) or _by_content(self.data) or _UNKNOWN_TYPE

    def block(self) -> JSONObject:
        """Write it as a content block: an embedded resource."""
        return {"type": "resource", "resource": self.contents(self.uri)}

    def contents(self, uri: str, mime_type: str | None = None) -> JSONObject:
        """Write it as the contents of a resource, as text if it is some."""
        shown_type = mime_type or self.mime_type
        if shown_type.startswith("text/") or shown_type == "application/json":
            try:
                text = self.data.decode()
            except UnicodeDecodeError:
                pass
            else:
                return {"uri": uri, "mimeType": shown_type, "text": text}
        return super().contents(uri, mime_type)


def _name_of(source: Any) -> str | None:
    """Give the last part of a source's name, without where it lies."""
    name = source if isinstance(source, str | os.PathLike) else None
    if name is None:
        name = getattr(source, "name", None)
    if not isinstance(name, str | os.PathLike):
        return None  # such as the number of a pipe
    return Path(os.fspath(name)).name or None


def _read(source: Any, name: str | None) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            data = _read_open(file, name)
    elif isinstance(source, FieldFile) and not source:
        raise ToolError(f"{source.field.name or 'the field'} has no file")
    elif isinstance(source, DjangoFile) and source.closed:
        with source.open("rb") as file:
            data = _read_open(file, name)
    elif hasattr(source, "read"):
        data = _read_open(source, name)
    else:
        raise TypeError(
            f"cannot read {type(source).__qualname__}; give bytes, a path, a file of "
            "Django's, or a file that is open for reading bytes"
        )
    _check_size(len(data), name)
    return data


def _read_open(file: Any, name: str | None) -> bytes:
    # Code that has just written it stands at its end.
    if hasattr(file, "seekable") and file.seekable():
        file.seek(0)
    data = file.read(mcp_settings.MAX_FILE_BYTES + 1)
    if not isinstance(data, bytes):
        raise TypeError(f"{name or 'the file'} is open for text; open it with 'rb'")
    return data


def _check_size(size: int, name: str | None) -> None:
    limit: int = mcp_settings.MAX_FILE_BYTES
    if size > limit:
        raise ToolError(
            f"{name or 'the file'} is too large to be sent: at most {limit} bytes can "
            "be"
        )


def _by_name(name: str | None) -> str | None:
    if name is None:
        return None
    guessed, encoding = _types.guess_type(quote(name), strict=False)
    # A compressed one is not of its inner type.
    return None if encoding else guessed


def _by_content(data: bytes) -> str | None:
    head = data[:64].lstrip() if data[:64].lstrip().startswith(b"<svg") else data[:64]
    for beginning, mime_type in _BEGINNINGS:
        if len(head) >= len(beginning) and all(
            wanted in (b"."[0], found)
            for wanted, found in zip(beginning, head, strict=False)
        ):
            return mime_type
    return None
