"""Tokens in a file of the user's, which several programs may share."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import anyio.to_thread

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth.storage import Storage, acquire
from mcp_django.exceptions import OAuthError
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.extras import brought_by

with brought_by("client"):
    from filelock import FileLock, Timeout

logger = FaultLog("mcp_django.client")

_WRITE_SECONDS: Final = 10.0
"""How long another process may take to write the file."""


class FileStorage(Storage):
    """Keeps the records of all servers in one JSON file, which only its owner may read.

    Beside it are files whose names end in `.lock`, by which processes take turns. The
    file is written anew as a whole and then takes the old one's place, so that it is
    never half written.

    Args:
        path: Of the file; it and its folder are made when something is kept.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def get(self, url: str) -> JSONObject | None:
        """Read the record.

        Raises:
            OAuthError: The file cannot be read.
        """
        with self._failures_named():
            records = await anyio.to_thread.run_sync(self._read)
        record = records.get(url)
        return record if isinstance(record, dict) else None

    async def set(self, url: str, record: JSONObject) -> None:
        """Write the record.

        Raises:
            OAuthError: The file cannot be written.
        """

        def change(records: JSONObject) -> None:
            records[url] = record

        await self._change(change)

    async def delete(self, url: str) -> None:
        """Write the file without the record.

        Raises:
            OAuthError: The file cannot be written.
        """

        def change(records: JSONObject) -> None:
            records.pop(url, None)

        await self._change(change)

    @asynccontextmanager
    async def lock(self, url: str) -> AsyncIterator[None]:
        """Let one task at a time in, of all processes that use the file.

        Raises:
            OAuthError: No file can be made beside it.
        """
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        async with self._locked(name):
            yield

    async def _change(self, change: Callable[[JSONObject], None]) -> None:
        def read_and_write() -> None:
            records = self._read()
            change(records)
            self._write(records)

        with self._failures_named(), anyio.fail_after(_WRITE_SECONDS):
            # Not that of `lock`, which is held for minutes, and for one server alone.
            async with self._locked("file"):
                await anyio.to_thread.run_sync(read_and_write)

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        with self._failures_named():
            self._make_folder()
            lock = FileLock(
                self._path.with_name(f"{self._path.name}.{name}.lock"),
                thread_local=False,
                mode=0o600,
            )
            await acquire(lambda: _is_acquired(lock))
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Say of what the system refuses which file it is about."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or "other programs hold it for too long"
            raise OAuthError(
                f"logins cannot be kept in {str(self._path)!r}: {reason}"
            ) from error

    def _make_folder(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _read(self) -> JSONObject:
        try:
            records = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            logger.warning(
                "%s is no JSON file, so that what was kept in it is lost; log in again",
                self._path,
            )
            return {}
        return records if isinstance(records, dict) else {}

    def _write(self, records: JSONObject) -> None:
        self._make_folder()
        # Made with 0600, so that there is no moment in which others may read it.
        number, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(records, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise


def _is_acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
