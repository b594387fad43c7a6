"""What resources return, as it goes into results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy
from mcp_types import BlobResourceContents, TextResourceContents

from mcp_django.server.results.resource_contents import resource_contents

ADVICE = (
    "; return plain values instead, such as `list(queryset.values(...))`, or a "
    "dataclass"
)


@dataclass
class Point:
    x: int
    label: str | None = None


URI = "shop://orders/1"


@pytest.mark.parametrize(
    ("value", "content", "mime_type"),
    [
        ("x", {"text": "x"}, "text/plain"),
        ("", {"text": ""}, "text/plain"),
        (gettext_lazy("x"), {"text": "x"}, "text/plain"),
        (b"\x00\xff", {"blob": "AP8="}, "application/octet-stream"),
        (bytearray(b"\x00"), {"blob": "AA=="}, "application/octet-stream"),
        (memoryview(b"\x00"), {"blob": "AA=="}, "application/octet-stream"),
        ({"a": None}, {"text": '{"a":null}'}, "application/json"),
        (["x"], {"text": '["x"]'}, "application/json"),
        ([], {"text": "[]"}, "application/json"),
        (None, {"text": "null"}, "application/json"),
        (3, {"text": "3"}, "application/json"),
        (Point(1), {"text": '{"x":1,"label":null}'}, "application/json"),
    ],
)
def test_resource_becomes_one_content_of_its_kind(
    value: Any, content: dict[str, str], mime_type: str
) -> None:
    """Spec: 2025-11-25 server/resources, "Resource Contents"."""
    assert resource_contents(value, URI, None) == [
        {"uri": URI, "mimeType": mime_type, **content}
    ]
    assert resource_contents(value, URI, "image/svg+xml") == [
        {"uri": URI, "mimeType": "image/svg+xml", **content}
    ]


def test_whole_contents_are_written_as_they_are() -> None:
    """We chose it; only a URI that was left empty is filled in."""
    one = TextResourceContents(uri="shop://a", text="x", _meta={"a": None})
    other = BlobResourceContents(uri="", blob="AA==", mime_type="image/png")
    written_one = {"uri": "shop://a", "text": "x", "_meta": {"a": None}}
    written_other = {"uri": URI, "blob": "AA==", "mimeType": "image/png"}

    assert resource_contents(one, URI, "text/html") == [written_one]
    assert resource_contents([one, other], URI, None) == [written_one, written_other]
    assert resource_contents((other,), URI, None) == [written_other]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            [TextResourceContents(uri="shop://a", text="x"), 5],
            "a resource returned a list of contents with int in it; make text or "
            "contents of it as well",
        ),
        (User(), "cannot write User as JSON" + ADVICE),
        (User.objects.all(), "cannot write QuerySet as JSON" + ADVICE),
    ],
)
def test_resource_that_cannot_be_written_is_a_type_error(
    value: Any, message: str
) -> None:
    """We chose it."""
    with pytest.raises(TypeError) as caught:
        resource_contents(value, URI, None)
    assert str(caught.value) == message


def test_text_of_resources_must_be_unicode() -> None:
    """Spec: RFC 8259, section 8.1: JSON text is UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        resource_contents("\ud800", URI, None)
