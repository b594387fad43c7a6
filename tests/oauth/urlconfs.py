"""URLconfs that a test fills with what it needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from django.test import override_settings

_NAME = "tests.oauth.urls_made_here"


@contextmanager
def root_urlconf(*patterns: Any, **settings: Any) -> Iterator[None]:
    """Have URL patterns as those of the project, with other settings beside."""
    module = ModuleType(_NAME)
    module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
    sys.modules[_NAME] = module
    try:
        with override_settings(ROOT_URLCONF=_NAME, **settings):
            yield
    finally:
        del sys.modules[_NAME]
