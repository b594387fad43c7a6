"""The cluster: workers, what they need, and the lines between them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyio.from_thread import start_blocking_portal

from tests.cluster.clocks import Clock, make_library
from tests.cluster.postgres import PostgresServer
from tests.cluster.proxies import Line, running_line
from tests.live import processes
from tests.live.daphne import Daphne, serving
from tests.live.restartable import RedisServer, Worker

APPLICATION: Final = "tests.cluster.asgi:application"
USERS: Final = ("ann", "bob", "cid", "dot", "eve", "fay", "gus", "hal")


@dataclass(frozen=True)
class User:
    """Somebody who has an account.

    Attributes:
        name: Of the user.
        token: That lets a program act as the user.
        session: Key of the login session in the user's browser.
    """

    name: str
    token: str
    session: str

    @property
    def with_token(self) -> dict[str, str]:
        """Headers of a program's requests."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def with_cookie(self) -> dict[str, str]:
        """Headers of a browser's requests."""
        return {"Cookie": f"sessionid={self.session}"}


@dataclass(frozen=True)
class LogMark:
    """How far the logs of workers went.

    Attributes:
        lines: How many lines each had written.
    """

    lines: Mapping[Worker, int]

    def new_lines(self, worker: Worker) -> list[str]:
        """Give what a worker wrote since."""
        return worker.log_lines()[self.lines[worker] :]


@dataclass(frozen=True)
class Cluster:
    """Several workers and what they need.

    Attributes:
        folder: Where the handlers write down what they did, and workers their logs.
        workers: That serve the site.
        fronts: The lines that lead to them, in the same order.
        redis: Has the cache and the channel layer.
        cache: The line to it as the cache.
        layer: The line to it as the channel layer.
        postgres: Has the database.
        database: The line to it.
        users: Who may use the site, by name.
        environment: Environment variables of processes of the site.
        clocks: Of the workers.
    """

    folder: Path
    workers: Sequence[Worker]
    fronts: Sequence[Line]
    redis: RedisServer
    cache: Line
    layer: Line
    postgres: PostgresServer
    database: Line
    users: Mapping[str, User]
    environment: dict[str, str]
    clocks: Mapping[Worker, Clock]

    def mark_logs(self) -> LogMark:
        """Remember how far the logs of the workers go."""
        return LogMark({worker: len(worker.log_lines()) for worker in self.workers})

    def ran(self) -> dict[str, list[str]]:
        """Give who ran each call, by key: one user for each time."""
        runs: dict[str, list[str]] = {}
        for path in self.folder.glob("ran-*"):
            for line in path.read_text().splitlines():
                key, *_, user = line.split()
                runs.setdefault(key, []).append(user)
        return runs

    def rotate_keys(self) -> None:
        """Give workers that start from now on a new key; the old ones hold."""
        keys = json.loads(self.environment.get("CLUSTER_KEYS", "[]"))
        keys = [f"key {len(keys) + 1} of the tests of the cluster", *keys]
        self.environment["CLUSTER_KEYS"] = json.dumps(keys)

    def mend(self) -> None:
        """Mend all that was broken, and start what does not run."""
        for line in (self.cache, self.layer, self.database, *self.fronts):
            line.mend()
        for server in (self.redis, self.postgres):
            if not server.is_running:
                server.stop()
                server.start()
            server.thaw()
        self.postgres.free_connections()
        self.postgres.take_writes(True)
        self.redis.limit(0)
        for clock in self.clocks.values():
            clock.set(0)
        for worker in self.workers:
            if not worker.is_running:
                worker.stop()
                worker.start()
            worker.thaw()


@contextmanager
def running_cluster(
    folder: Path,
    programs: Path,
    *,
    workers: int = 2,
    layer_kind: str = "core",
    extra: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Run a cluster until the end of the block.

    Args:
        folder: For logs, and what the handlers write down.
        programs: Those of PostgreSQL.
        workers: How many.
        layer_kind: Channel layer, "core" or "pubsub".
        extra: More environment variables of the workers.
    """
    redis, postgres = RedisServer(folder), PostgresServer(programs)
    with ExitStack() as stack:
        stack.callback(postgres.delete)
        postgres.create()
        for server in (redis, postgres):
            stack.callback(server.stop)
            server.start()
        portal = stack.enter_context(start_blocking_portal())
        cache, layer, database = (
            stack.enter_context(running_line(portal, port))
            for port in (redis.port, redis.port, postgres.port)
        )
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.cluster.settings",
            "CLUSTER_CACHE": f"redis://127.0.0.1:{cache.port}/1",
            "CLUSTER_LAYER": f"redis://127.0.0.1:{layer.port}/0",
            "CLUSTER_LAYER_KIND": layer_kind,
            "CLUSTER_DATABASE_PORT": str(database.port),
            "CLUSTER_FOLDER": str(folder),
            **(extra or {}),
        }
        users = _make_users(environment)
        names = [f"worker{number}" for number in range(1, workers + 1)]
        clocks, library = {}, make_library(folder)
        for name in names:
            clock = Clock(folder / f"{name}.clock", library)
            worker = Worker(name, partial(_serve, folder, environment, clock))
            clocks[worker] = clock
        running = list(clocks)
        for worker in running:
            stack.callback(worker.stop)
            worker.start()
        fronts = [
            stack.enter_context(running_line(portal, worker.port)) for worker in running
        ]
        yield Cluster(
            folder=folder,
            workers=running,
            fronts=fronts,
            redis=redis,
            cache=cache,
            layer=layer,
            postgres=postgres,
            database=database,
            users=users,
            environment=environment,
            clocks=clocks,
        )


def _serve(
    folder: Path,
    environment: Mapping[str, str],
    clock: Clock,
    *,
    name: str,
    port: int,
) -> AbstractContextManager[Daphne]:
    return serving(
        APPLICATION,
        log=folder / f"{name}.log",
        port=port,
        extra={**environment, **clock.environment},
        # What its clients ask is not what it has to say.
        options=["--access-log", "/dev/null"],
    )


def _make_users(environment: Mapping[str, str]) -> Mapping[str, User]:
    processes.run([sys.executable, "manage.py", "migrate", "-v", "0"], environment)
    printed, _ = processes.run(
        [sys.executable, "-m", "tests.cluster.seed", *USERS], environment
    )
    return {name: User(name, **keys) for name, keys in json.loads(printed).items()}
