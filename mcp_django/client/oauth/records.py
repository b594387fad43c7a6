"""The record of one MCP server in a storage, and what is done to it."""

from __future__ import annotations

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth.addresses import shown
from mcp_django.client.oauth.documents import (
    KnownClient,
    Record,
    ServerMetadata,
    Tokens,
    read,
)
from mcp_django.client.oauth.storage import Storage

logger = FaultLog("mcp_django.client")


class Records:
    """Reads and writes one record.

    Args:
        url: Canonical URL of the MCP server.
        storage: Where it is kept.
    """

    def __init__(self, url: str, storage: Storage) -> None:
        self._url = url
        self._storage = storage

    async def load(self) -> Record:
        """Read the record; an empty one if there is none, or none that can be read."""
        stored = await self._storage.get(self._url)
        if stored is None:
            return Record()
        try:
            return read(Record, stored)
        except ValueError as error:
            logger.warning(
                "what was kept for %s cannot be read, so that it is begun "
                "anew; log in again: %s",
                shown(self._url),
                error,
                of=self._url,
            )
            return Record()

    async def keep(self, record: Record) -> Record:
        """Write the record, and give it back."""
        dumped = record.model_dump(mode="json", exclude_none=True)
        await self._storage.set(self._url, dumped)
        return record

    async def delete(self) -> None:
        """Forget the record."""
        await self._storage.delete(self._url)


def with_tokens(record: Record, tokens: Tokens | None) -> Record:
    """Give a record with other tokens, or without."""
    return record.model_copy(update={"tokens": tokens})


def with_client(
    record: Record, server: ServerMetadata, client: KnownClient | None
) -> Record:
    """Give a record with another client at an authorization server, or without.

    Tokens of another authorization server go, and so do those of another client.
    """
    clients = {k: v for k, v in record.clients.items() if k != server.issuer}
    if client is not None:
        clients[server.issuer] = client
    tokens = record.tokens
    if tokens is not None and (
        client is None
        or (tokens.issuer, tokens.client_id) != (server.issuer, client.client_id)
    ):
        tokens = None
    return record.model_copy(
        update={"server": server, "clients": clients, "tokens": tokens}
    )
