"""What most tests of traces need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from pytest_django import Settings

from mcp_django.transports.tap import tap


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Let traces be written to a folder, and every client in; end them all."""
    settings.MCP = {"AUTHENTICATION": [], "TRACE_DIR": tmp_path}
    yield tmp_path
    tap.watches = ()
    cache.clear()
