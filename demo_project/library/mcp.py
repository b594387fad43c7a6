"""What the library offers to MCP clients; mcp_django imports this file by itself.

Every feature acts as the user who is logged in, over every transport. Docstrings and
`Field` descriptions go to the model: they say what a feature is for and when to use it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, Field

from demo_project.library.models import (
    LOAN_DAYS,
    Author,
    Book,
    Copy,
    Genre,
    LendingError,
    Loan,
)
from mcp_django import (
    CapabilityMissing,
    Context,
    ResourceNotFound,
    Server,
    SyncContext,
    ToolError,
)

server = Server(
    "library",
    version="1.0.0",
    title="Lending library",
    instructions=(
        "The catalog of a small lending library of classics. Find books with "
        "search_books; other tools take the ISBN it returns. Loans are those of the "
        "user you work for."
    ),
    # What a reader is asked when a program wants to act for them, beside reading
    # (mcp:read) and everything else (mcp:write). It is people who read that, in their
    # own language; models are told all in English (`MCP["LANGUAGE"]` in settings.py).
    scopes={"library:lend": _("Borrow and return books for you")},
)

MAX_DAYS = 42

ISBN = Annotated[
    str, Field(pattern="^[0-9]{13}$", description="Thirteen digits, no dashes.")
]


class BookSummary(BaseModel):
    """A book as a line of the catalog."""

    isbn: str
    title: str
    author: str
    year: int
    genre: Genre
    copies_free: int = Field(description="Copies that can be borrowed now.")


class BookDetails(BookSummary):
    """All that the catalog knows about a book."""

    summary: str
    copies: int
    due_back: list[date] = Field(description="When the copies that are lent are due.")


class LoanDetails(BaseModel):
    """A book that a reader has at home."""

    isbn: str
    title: str
    due_on: date
    overdue: bool


@dataclass
class Shelf:
    """One line of the inventory."""

    genre: Genre
    books: int
    copies: int
    lent: int


class Confirmation(BaseModel):
    """The form that a reader fills in before a book is lent."""

    days: int = Field(LOAN_DAYS, ge=1, le=MAX_DAYS, description="For how many days?")


def summarize(book: Book) -> dict[str, Any]:
    """Return the fields of a `BookSummary`; the book has its counts."""
    return {
        "isbn": book.isbn,
        "title": book.title,
        "author": book.author.name,
        "year": book.year,
        "genre": book.genre,
        "copies_free": book.count_free,
    }


def require_reader(context: Context | SyncContext) -> User:
    """Return the user, or tell the model that nobody is logged in."""
    if not isinstance(context.user, User):
        raise ToolError("Nobody is logged in: connect as a user of the library.")
    return context.user


@server.tool(read_only=True, open_world=False)
def search_books(
    text: Annotated[str, Field(description="Words of title, author or summary.")] = "",
    genre: Genre | None = None,
    only_free: Annotated[bool, Field(description="Only what is not lent.")] = False,
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
) -> list[BookSummary]:
    """Search the catalog; a book has every word of the text. Start here."""
    books = Book.objects.with_counts().search(text)
    if genre is not None:
        books = books.filter(genre=genre)
    if only_free:
        books = books.available()
    return [BookSummary(**summarize(book)) for book in books[:limit]]


async def read_details(isbn: str) -> BookDetails | None:
    """Read a book from the database, or None if the library does not have it."""
    book = await Book.objects.with_counts().filter(isbn=isbn).afirst()
    if book is None:
        return None
    open_loans = Loan.objects.open().filter(copy__book=book)
    return BookDetails(
        **summarize(book),
        summary=book.summary,
        copies=book.count_copies,
        due_back=[loan.due_on async for loan in open_loans],
    )


@server.tool(read_only=True, open_world=False)
async def book_details(isbn: ISBN) -> BookDetails:
    """Describe one book: its summary, its copies, and when lent ones are due back."""
    details = await read_details(isbn)
    if details is None:
        raise ToolError(f"The library has no book with the ISBN {isbn}.")
    return details


@server.tool(read_only=True, open_world=False)
def my_loans(context: SyncContext) -> list[LoanDetails]:
    """List the books that the user has at home, the most urgent first."""
    reader = require_reader(context)
    return [
        LoanDetails(
            isbn=loan.copy.book.isbn,
            title=loan.copy.book.title,
            due_on=loan.due_on,
            overdue=loan.is_overdue,
        )
        for loan in Loan.objects.open().with_books().filter(borrower=reader)
    ]


@server.tool(scope="library:lend", destructive=False, open_world=False)
async def borrow_book(
    isbn: ISBN,
    context: Context,
    days: Annotated[
        int | None,
        Field(ge=1, le=MAX_DAYS, description="Only if the user has named them."),
    ] = None,
) -> str:
    """Borrow a book for the user, who is asked for how long unless that is given."""
    reader = require_reader(context)
    book = await Book.objects.filter(isbn=isbn).afirst()
    if book is None:
        raise ToolError(f"The library has no book with the ISBN {isbn}.")
    if days is None:
        # The user may take minutes. Nothing waits meanwhile: this function ends here
        # and runs again from the top once there is an answer.
        try:
            answer = await context.elicit(f"Borrow {book.title}?", Confirmation)
        except CapabilityMissing as error:
            raise ToolError("Ask the user for how many days, and pass them.") from error
        if not answer.accepted:
            return f"The user decided not to borrow {book.title}."
        days = answer.data.days
    try:
        loan = await book.alend_to(reader, days)
    except LendingError as error:
        raise ToolError(str(error)) from error
    await context.log("info", f"{reader.username} borrowed {isbn}", logger="library")
    return f"Borrowed {book.title}; it is due back on {loan.due_on}."


@server.tool(scope="library:lend", destructive=False, open_world=False)
def return_book(isbn: ISBN, context: SyncContext) -> str:
    """Return a book that the user has at home."""
    reader = require_reader(context)
    loans = Loan.objects.open().with_books()
    loan = loans.filter(borrower=reader, copy__book__isbn=isbn).first()
    if loan is None:
        raise ToolError("The user has no such book; my_loans lists those they have.")
    loan.take_back()
    return f"{loan.copy.book.title} is back on its shelf."


@server.tool(
    permission="library.add_book", atomic=True, destructive=False, open_world=False
)
def add_book(
    isbn: ISBN,
    title: str,
    author: str,
    year: Annotated[int, Field(ge=1, le=9999)],
    genre: Genre,
    summary: str = "",
    copies: Annotated[int, Field(ge=1, le=20)] = 1,
) -> BookSummary:
    """Add a new book and its copies to the catalog. For librarians."""
    if Book.objects.filter(isbn=isbn).exists():
        raise ToolError(f"The library already has a book with the ISBN {isbn}.")
    writer, _ = Author.objects.get_or_create(name=author)
    book = writer.books.create(
        isbn=isbn, title=title, year=year, genre=genre, summary=summary
    )
    for number in range(1, copies + 1):
        book.copies.create(number=f"{isbn}-{number}")
    return BookSummary(**summarize(Book.objects.with_counts().get(pk=book.pk)))


@server.tool(read_only=True, open_world=False)
async def inventory(context: Context) -> list[Shelf]:
    """Count books, copies and loans genre by genre, with progress on the way."""
    shelves = []
    for number, genre in enumerate(Genre):
        await context.report_progress(number, len(Genre), f"Counting {genre.label}")
        copies = Copy.objects.filter(book__genre=genre)
        shelves.append(
            Shelf(
                genre=genre,
                books=await Book.objects.filter(genre=genre).acount(),
                copies=await copies.acount(),
                lent=await copies.lent().acount(),
            )
        )
    await context.report_progress(len(Genre), len(Genre), "Done")
    return shelves


# For a minute clients need not ask again; those that listen hear of changes at once.
@server.resource("library://stats", title="The library in numbers", ttl_ms=60_000)
def stats() -> dict[str, int]:
    """How many books, copies and readers there are, and how many copies are lent."""
    return {
        "books": Book.objects.count(),
        "copies": Copy.objects.count(),
        "lent": Loan.objects.open().count(),
        "readers": User.objects.filter(is_active=True).count(),
    }


@server.resource("library://books/{isbn}", title="A book of the catalog")
async def book_resource(isbn: str) -> BookDetails:
    """The catalog's entry of one book."""
    details = await read_details(isbn)
    if details is None:
        raise ResourceNotFound()
    return details


@server.prompt(title="Recommend a book")
def recommend(genre: Genre, mood: str = "curious") -> str:
    """Ask for a recommendation out of what can be borrowed now."""
    books = Book.objects.available().filter(genre=genre).select_related("author")
    shelf = "\n".join(f"- {book.title}, {book.author} ({book.isbn})" for book in books)
    return (
        f"I feel {mood} and would like to read something from {genre.label}. "
        f"Recommend one of these, say why in three sentences, and offer to borrow "
        f"it for me:\n{shelf}"
    )


@server.completion(recommend, "genre")
def complete_genre(value: str) -> list[str]:
    """Offer the genres that begin like the value."""
    return [genre for genre in Genre.values if genre.startswith(value.lower())]


@server.completion("library://books/{isbn}", "isbn")
def complete_isbn(value: str) -> list[str]:
    """Offer the ISBNs that begin like the value."""
    books = Book.objects.filter(isbn__startswith=value).order_by("isbn")
    return list(books.values_list("isbn", flat=True)[:100])


# Clients that listen are told of every change, however it was made: by a tool, on the
# site's own pages or in the admin.
server.watch(Book, book_resource)
server.watch(Copy, book_resource, isbn="book.isbn")
server.watch(Loan, book_resource, isbn="copy.book.isbn")
for model in (Book, Copy, Loan):
    server.watch(model, stats)
