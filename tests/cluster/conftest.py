"""A cluster that all tests share, and break in turn."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.cluster.calls import wait_until_answered
from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.postgres import find_programs
from tests.live.raw import open_http
from tests.patience import SOON_SECONDS


@pytest.fixture(scope="package")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run two workers, Redis and PostgreSQL; other tests need the time and files."""
    programs = find_programs()
    if programs is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed (Debian's package: postgresql)")
    assert programs is not None, "PostgreSQL is not installed"
    with running_cluster(tmp_path_factory.mktemp("cluster"), programs) as running:
        yield running


@pytest.fixture
async def cluster(shared_cluster: Cluster) -> AsyncIterator[Cluster]:
    """Give the cluster, and see it well again after all that a test broke of it."""
    try:
        yield shared_cluster
    finally:
        await run_sync(shared_cluster.mend)
        try:
            await _wait_until_well(shared_cluster)
        except TimeoutError:
            # Not to be met by the next test, too.
            for worker in shared_cluster.workers:
                worker.kill()
            await run_sync(shared_cluster.mend)
            raise


async def _wait_until_well(cluster: Cluster) -> None:
    async with open_http(cluster.users["ann"].with_token) as http:
        with anyio.fail_after(2 * SOON_SECONDS):
            for worker in cluster.workers:
                for tool in ("count_users", "count_users_in_thread"):
                    await wait_until_answered(http, worker, tool)
