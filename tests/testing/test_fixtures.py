"""The fixtures, as a project of somebody else's has them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from mcp_django.testing import AsyncMCPClient, MCPClient
from tests.interaction.client import text_of

pytest_plugins = ["mcp_django.testing.fixtures", "pytester"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_client_is_nobody_s_and_in_the_transaction(mcp_client: MCPClient) -> None:
    """Chosen: of the project's only server."""
    assert text_of(mcp_client.call_tool("name_user")) == ""
    mcp_client.force_login(User.objects.create_user("ada"))
    assert text_of(mcp_client.call_tool("name_user")) == "ada"


async def test_client_for_async_tests_is_nobody_s(
    async_mcp_client: AsyncMCPClient,
) -> None:
    """Chosen."""
    result = await async_mcp_client.call_tool("name_user")

    assert text_of(result) == ""


@pytest.mark.live
def test_project_adds_the_plugin_and_names_its_server(
    pytester: pytest.Pytester,
) -> None:
    """Chosen: one line in `conftest.py`, one fixture where there are several servers;
    and a database in memory, Django's own default, has its remedy in the error."""
    pytester.makeconftest(
        """
        import pytest

        pytest_plugins = ["mcp_django.testing.fixtures"]


        @pytest.fixture
        def mcp_server():
            from tests.testing.library import server
            return server
        """
    )
    pytester.makepyfile(
        memory_settings="""
        from tests.settings import *

        DATABASES = {
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "real.sqlite3"}
        }
        """,
        test_it="""
        import pytest
        from django.contrib.auth.models import Group


        @pytest.mark.django_db
        def test_client(mcp_client, django_assert_num_queries):
            Group.objects.create(name="Maps")
            with django_assert_num_queries(1):
                result = mcp_client.call_tool("shelves")
            assert result.structured_content == ["Maps"]


        def test_live(mcp_live_server):
            pass
        """,
    )
    ini = f"""
    [pytest]
    pythonpath = . {ROOT}
    filterwarnings = error
    """
    pytester.makefile(".ini", pytest=textwrap.dedent(ini))

    result = pytester.runpytest_subprocess("--ds", "memory_settings")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the test database 'default' is in memory*"])
