"""The setting of django-oauth-toolkit that lets MCP clients log in."""

import importlib
import subprocess
import sys

from django.test import override_settings
from oauth2_provider.settings import IMPORT_STRINGS, oauth2_settings

from mcp_django.oauth.preset import oauth2_provider


def test_every_setting_is_one_that_the_toolkit_knows() -> None:
    assert oauth2_provider().keys() <= oauth2_settings.defaults.keys()


def test_a_project_overrides_what_it_wants_otherwise() -> None:
    given = oauth2_provider(ACCESS_TOKEN_EXPIRE_SECONDS=60)
    assert given == {**oauth2_provider(), "ACCESS_TOKEN_EXPIRE_SECONDS": 60}


def test_every_class_that_is_named_is_there() -> None:
    named = oauth2_provider().keys() & set(IMPORT_STRINGS)
    with override_settings(OAUTH2_PROVIDER=oauth2_provider()):
        assert all(getattr(oauth2_settings, name) for name in named)


def test_settings_can_name_it_before_there_are_apps() -> None:
    module = importlib.import_module(oauth2_provider.__module__)
    code = (
        "import sys\n"
        f"import {module.__name__} as preset\n"
        "preset.oauth2_provider()\n"
        "assert 'oauth2_provider.models' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
