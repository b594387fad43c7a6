"""What happens to tokens when the app's tables change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mcp_django.tokens.models import Token

APP = "mcp_tokens"


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Callable[[str], Any]]:
    """Give what migrates the app, and gives its model of tokens as it is then."""

    def migrate(name: str) -> Any:
        executor = MigrationExecutor(connection)
        state = executor.migrate([(APP, name)])
        return state.apps.get_model(APP, "Token")

    yield migrate
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes(APP))


def test_token_that_allows_less_is_revoked_before_it_would_allow_all(
    migrate: Callable[[str], Any],
) -> None:
    """Chosen: who goes back to the release before gives no program more rights."""
    user = User.objects.create_user("ann")
    everything, _ = Token.issue(user, name="all")
    reading, _ = Token.issue(user, name="less", scopes=["mcp:read"])
    nothing, _ = Token.issue(user, name="none", scopes=[])

    before = migrate("0001_initial")

    revoked = set(before.objects.filter(revoked_at__isnull=False).values_list("pk"))
    assert revoked == {(reading.pk,), (nothing.pk,)}
    after = migrate("0002_token_scope")
    assert after.objects.get(pk=everything.pk).scope is None
