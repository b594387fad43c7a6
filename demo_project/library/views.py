"""The pages."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from demo_project.library.models import Book, Genre, LendingError, Loan
from mcp_django import LoginRequired, MCPError, SyncClient
from mcp_django.accounts.servers import other_server

BOOKS_PER_PAGE = 24


class ReaderRequest(HttpRequest):
    """A request that passed `login_required`."""

    user: User


@require_safe
def book_list(request: HttpRequest) -> HttpResponse:
    """Show the books, or those that fit `?q=` and `?genre=`."""
    text = request.GET.get("q", "").strip()
    genre = request.GET.get("genre", "")
    books = Book.objects.with_counts().search(text)
    if genre in Genre.values:
        books = books.filter(genre=genre)
    page = Paginator(books, BOOKS_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "library/book_list.html",
        {"page": page, "text": text, "genre": genre, "genres": Genre.choices},
    )


@require_safe
def book_detail(request: HttpRequest, isbn: str) -> HttpResponse:
    """Show one book, whether it can be had, and when copies are due back."""
    book = get_object_or_404(Book.objects.with_counts(), isbn=isbn)
    open_loans = Loan.objects.open().filter(copy__book=book)
    return render(
        request,
        "library/book_detail.html",
        {
            "book": book,
            "open_loans": open_loans,
            "my_loan": open_loans.filter(borrower_id=request.user.pk).first(),
        },
    )


@login_required
@require_safe
def loan_list(request: ReaderRequest) -> HttpResponse:
    """Show what the reader has at home, and had before."""
    loans = Loan.objects.with_books().filter(borrower=request.user)
    return render(
        request,
        "library/loan_list.html",
        {
            "open_loans": loans.open(),
            "past_loans": loans.exclude(returned_on=None).order_by("-returned_on"),
        },
    )


@login_required
@require_safe
def loans_elsewhere(request: ReaderRequest) -> HttpResponse:
    """Show what the reader has at home from another library.

    That library is asked over MCP, with the account that the reader has connected. One
    who has not is sent to do so, and comes back here.
    """
    library = other_server("branch")
    try:
        auth = library.auth_for(request.user)
        with SyncClient(library.url, auth=auth, timeout=10) as client:
            result = client.call_tool("my_loans")
    except LoginRequired as error:
        return library.redirect_to_connect(request, error)
    except MCPError as error:
        text = _("%(library)s does not answer: %(error)s")
        messages.error(request, text % {"library": library.title, "error": error})
        return redirect("loan_list")
    context = {"library": library, "loans": result.structured_content}
    return render(request, "library/loans_elsewhere.html", context)


@login_required
@require_POST
def borrow_book(request: ReaderRequest, isbn: str) -> HttpResponse:
    """Lend a book to the reader."""
    book = get_object_or_404(Book, isbn=isbn)
    try:
        loan = book.lend_to(request.user)
    except LendingError as error:
        messages.error(request, str(error))
    else:
        text = _("%(title)s is yours until %(day)s.")
        values = {"title": book.title, "day": date_format(loan.due_on)}
        messages.success(request, text % values)
    return redirect(book)


@login_required
@require_POST
def return_book(request: ReaderRequest, pk: int) -> HttpResponse:
    """Take a book back from the reader."""
    loan = get_object_or_404(
        Loan.objects.open().with_books(), pk=pk, borrower=request.user
    )
    loan.take_back()
    text = _("%(title)s is back on its shelf.")
    messages.success(request, text % {"title": loan.copy.book.title})
    return redirect("loan_list")
