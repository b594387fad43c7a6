"""Fill an empty library: a catalog of classics, and readers who borrowed some."""

import csv
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.utils import timezone

from demo_project.library.models import LOAN_DAYS, Author, Book, Copy, Loan

CATALOG = Path(__file__).with_name("catalog")

# Other readers; they have loans but no password.
NEIGHBORS = ("amy", "beth", "jo", "meg")


def add_users() -> None:
    """Create the users that are missing.

    The passwords are known to everybody who reads this: for one's own machine only.
    """
    if not User.objects.filter(username="admin").exists():
        User.objects.create_superuser("admin", password="admin")
    if not User.objects.filter(username="reader").exists():
        reader = User.objects.create_user("reader", password="reader")
        # Nobody has it without being given it.
        reader.user_permissions.add(Permission.objects.get(codename="add_own_token"))
    for name in NEIGHBORS:
        if not User.objects.filter(username=name).exists():
            User.objects.create_user(name)


@transaction.atomic
def add_catalog() -> bool:
    """Fill the library unless it has a book, and return whether that was done."""
    if Book.objects.exists():
        return False
    authors = {
        row["name"]: Author.objects.create(
            name=row["name"], born=int(row["born"]), died=int(row["died"])
        )
        for row in read_catalog("authors.csv")
    }
    books = Book.objects.bulk_create(
        Book(
            isbn=make_isbn(number),
            title=row["title"],
            author=authors[row["author"]],
            year=int(row["year"]),
            genre=row["genre"],
            summary=row["summary"],
        )
        for number, row in enumerate(read_catalog("books.csv"))
    )
    copies = [
        Copy.objects.bulk_create(
            Copy(book=book, number=f"{number:03}-{copy}")
            # Two copies of one book, three of the next.
            for copy in range(1, 3 + number % 2)
        )
        for number, book in enumerate(books)
    ]
    # In bulk: sends no signals, so that seeding announces nothing to clients.
    Loan.objects.bulk_create(make_loans(copies))
    return True


def read_catalog(name: str) -> list[dict[str, str]]:
    """Return the lines of one file of the catalog, each as a mapping by column."""
    with (CATALOG / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_isbn(number: int) -> str:
    """Make up an ISBN with a correct check digit; number is below 1,000."""
    digits = f"978000000{number:03}"
    weighted = sum(
        int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)
    )
    return f"{digits}{-weighted % 10}"


def make_loans(copies: list[list[Copy]]) -> list[Loan]:
    """Lend some of the copies, which are in lists by book; always the same ones."""
    today = timezone.localdate()
    reader = User.objects.get(username="reader")
    neighbors = list(User.objects.filter(username__in=NEIGHBORS).order_by("username"))

    def lend(copy: Copy, borrower: User, days_ago: int, days_kept: int = 0) -> Loan:
        lent_on = today - timedelta(days=days_ago)
        return Loan(
            copy=copy,
            borrower=borrower,
            lent_on=lent_on,
            due_on=lent_on + timedelta(days=LOAN_DAYS),
            returned_on=lent_on + timedelta(days=days_kept) if days_kept else None,
        )

    loans = [
        lend(copies[10][1], reader, days_ago=24),  # overdue
        lend(copies[55][1], reader, days_ago=16),
        lend(copies[121][1], reader, days_ago=3),
        lend(copies[3][0], reader, days_ago=90, days_kept=12),
        lend(copies[38][0], reader, days_ago=60, days_kept=20),
    ]
    for number, of_one_book in enumerate(copies):
        if number % 6 == 0:
            # One copy is lent, or all of them for every third such book.
            lent = of_one_book if number % 18 == 0 else of_one_book[:1]
            loans += [
                lend(copy, neighbors[(number + place) % 4], days_ago=number % 20)
                for place, copy in enumerate(lent)
            ]
        elif number % 4 == 1:
            loans.append(lend(of_one_book[-1], neighbors[number % 3], 120, 9))
    return loans
