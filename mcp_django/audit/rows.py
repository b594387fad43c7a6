"""What is kept of a request until it is written, and how it is written."""

from __future__ import annotations

import datetime
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField

from mcp_django.audit.models import Entry


class Row(NamedTuple):
    """The fields of an `Entry`, but for its key.

    One is made in the event loop for each request, where an instance of the model takes
    ten times as long.

    Attributes:
        time: When the request began, in seconds since 1970.
        details: JSON, or None; the others as in the model.
    """

    time: float
    server: str
    method: str
    feature_kind: str
    feature: str
    user_pk: str
    username: str
    credential: str
    client_name: str
    client_version: str
    protocol_version: str
    address: str
    outcome: str
    reason: str
    error: str
    seconds: float
    details: Any


def insert(rows: Sequence[Row]) -> None:
    """Write rows, all or none of them.

    Not by `bulk_create`, which makes six times as much of Python's work for each row on
    SQLite, and twice as much on PostgreSQL: work that the event loop waits for.

    Raises:
        django.db.Error: The database takes none of them.
    """
    using = router.db_for_write(Entry)
    connection = connections[using]
    statement = _statement(connection)
    adapted = list(_adapted(rows, connection))
    with transaction.atomic(using), connection.cursor() as cursor:
        cursor.executemany(statement, adapted)


def _statement(connection: BaseDatabaseWrapper) -> str:
    meta, quoted = Entry._meta, connection.ops.quote_name
    columns = map(quoted, Row._fields)  # the model names no other ones
    places = ", ".join(["%s"] * len(Row._fields))
    return (
        f"INSERT INTO {quoted(meta.db_table)} ({', '.join(columns)}) VALUES ({places})"
    )


def _adapted(
    rows: Sequence[Row], connection: BaseDatabaseWrapper
) -> Iterator[tuple[Any, ...]]:
    """Give rows as the database takes them."""
    adapt_time = connection.ops.adapt_datetimefield_value
    details = Entry._meta.get_field("details")
    lengths = [
        field.max_length
        for field in Entry._meta.fields
        if isinstance(field, CharField) and field.max_length
    ]
    zone = datetime.UTC if settings.USE_TZ else None
    for row in rows:
        at = datetime.datetime.fromtimestamp(row.time, zone)
        texts: Sequence[str] = row[1:-2]
        if not _fit(texts, lengths):
            texts = list(map(_fitted, texts, lengths))
        kept = row.details
        if kept is not None:
            kept = details.get_db_prep_save(kept, connection)
        yield (adapt_time(at), *texts, row.seconds, kept)


def _fit(texts: Sequence[str], lengths: Sequence[int]) -> bool:
    """Say whether any database takes texts as they are; mostly it does."""
    joined = "".join(texts)
    return (
        joined.isascii()
        and "\0" not in joined
        and all(map(operator.le, map(len, texts), lengths))
    )


def _fitted(text: str, length: int) -> str:
    """Cut a text, and leave out what databases do not take."""
    return without_halves(text[:length].replace("\0", ""))


def without_halves(text: str) -> str:
    """Write a question mark where there is half a character."""
    return text.encode("utf-8", "replace").decode()
