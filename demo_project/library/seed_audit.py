"""Make up a past for the audit trail: some weeks of readers and their programs.

What is made up depends on the day alone, so that it is the same each time. Such entries
name `MADE_UP` as their credential, which no request of a client can.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from mcp_django.audit.models import Entry

MADE_UP = "made up by seed_demo"
WEEKS = 5

PROGRAMS = (  # name, version, protocol, and how often it is used
    ("Claude Code", "2.1.0", "2025-11-25", 5),
    ("Visual Studio Code", "1.106.0", "2025-11-25", 4),
    ("Cursor", "2.0.0", "2025-06-18", 2),
    ("opencode", "1.0.0", "2026-07-28", 2),
)
READERS = {"reader": 6, "amy": 3, "beth": 2, "jo": 4, "meg": 2, "admin": 1}
# How busy the library is from hour to hour.
BUSY = (1, 0, 0, 0, 0, 1, 2, 4, 6, 8, 9, 8, 7, 8, 9, 8, 7, 8, 9, 8, 6, 4, 3, 2)

USES = (  # method, kind and name of the feature, usual seconds, and how often
    ("tools/call", "tool", "search_books", 0.02, 30),
    ("tools/call", "tool", "book_details", 0.009, 18),
    ("tools/call", "tool", "my_loans", 0.007, 12),
    ("tools/call", "tool", "borrow_book", 0.03, 9),
    ("tools/call", "tool", "return_book", 0.025, 4),
    ("tools/call", "tool", "inventory", 0.4, 2),
    ("tools/call", "tool", "add_book", 0.04, 1),
    ("resources/read", "resource", "library://stats", 0.012, 4),
    ("resources/read", "resource", "library://books/{isbn}", 0.008, 5),
    ("prompts/get", "prompt", "recommend", 0.003, 2),
    ("tools/list", "", "", 0.002, 10),
)


def add_audit_entries(now: datetime) -> int:
    """Make up what is missing until now, unless that was done today; return how much.

    After a pause it goes on where it ended, so that the last days are never empty.
    """
    begin = now - timedelta(weeks=WEEKS)
    made_up = Entry.objects.filter(credential=MADE_UP).order_by("-time")
    last = made_up.values_list("time", flat=True).first()
    if last is not None and last.date() >= now.date():
        return 0
    begin = max(begin, last or begin)
    users = {user.username: str(user.pk) for user in User.objects.all()}
    days = (now.date() - begin.date()).days
    entries = [
        entry
        for number in range(days + 1)
        for entry in make_day(begin.date() + timedelta(days=number), users)
        if begin < entry.time <= now
    ]
    Entry.objects.bulk_create(entries, batch_size=500)
    return len(entries)


def make_day(day: date, users: dict[str, str]) -> Iterator[Entry]:
    """Make up all entries of one day."""
    chance = random.Random(day.toordinal())
    midnight = timezone.make_aware(datetime.combine(day, time.min))
    visits = chance.randrange(26, 40) if day.weekday() < 5 else chance.randrange(12, 22)
    for hour in chance.choices(range(24), BUSY, k=visits):
        at = midnight + timedelta(hours=hour, seconds=chance.randrange(3600))
        # Now and then the database is slow for an hour or two.
        is_slow = day.toordinal() % 9 == 4 and hour in (15, 16)
        yield from make_visit(chance, at, users, is_slow=is_slow)


def make_visit(
    chance: random.Random, at: datetime, users: dict[str, str], *, is_slow: bool
) -> Iterator[Entry]:
    """Make up what one program does for one reader within some minutes."""
    [reader] = chance.choices([*READERS], [*READERS.values()])
    [program] = chance.choices(PROGRAMS, [often for *_, often in PROGRAMS])
    for method, kind, feature, seconds, _often in chance.choices(
        USES, [often for *_, often in USES], k=chance.randrange(2, 9)
    ):
        at += timedelta(seconds=chance.uniform(2, 40))
        took = seconds * chance.lognormvariate(0, 0.7) * (40 if is_slow else 1)
        entry = Entry(
            time=at,
            server="library",
            method=method,
            feature_kind=kind,
            feature=feature,
            user_pk=users.get(reader, ""),
            username=reader,
            credential=MADE_UP,
            client_name=program[0],
            client_version=program[1],
            protocol_version=program[2],
            address="127.0.0.1",
            outcome="answered",
            seconds=took,
        )
        for name, value in make_end(chance, entry, is_slow=is_slow).items():
            setattr(entry, name, value)
        yield entry


def make_end(chance: random.Random, entry: Entry, *, is_slow: bool) -> dict[str, Any]:
    """Make up how a request ended, unless it was answered."""
    if is_slow and chance.random() < 0.2:
        return {"outcome": "failed", "error": "OperationalError"}
    if is_slow and chance.random() < 0.1:
        return {"outcome": "cancelled"}
    if entry.feature == "add_book" and entry.username != "admin":
        return refuse("not permitted", "ErrorAnswer")
    if entry.feature == "borrow_book":
        if chance.random() < 0.3 and entry.protocol_version == "2026-07-28":
            return {"outcome": "asked", "error": "QuestionsAsked"}
        if chance.random() < 0.12:
            title = chance.choice(("Emma", "Dracula", "Moby-Dick"))
            return refuse(f"All copies of {title} are lent.", "ToolError")
    if entry.feature == "return_book" and chance.random() < 0.1:
        return refuse(
            "The user has no such book; my_loans lists those they have.", "ToolError"
        )
    if entry.feature == "search_books" and chance.random() < 0.01:
        return {"feature": "find_books", **refuse("unknown", "ErrorAnswer")}
    if entry.feature == "inventory" and chance.random() < 0.05:
        return {"outcome": "cancelled"}
    return {"outcome": "failed", "error": "KeyError"} if chance.random() < 0.002 else {}


def refuse(reason: str, error: str) -> dict[str, Any]:
    """Give the fields of a request that was refused."""
    return {"outcome": "refused", "reason": reason, "error": error, "seconds": 0.001}
