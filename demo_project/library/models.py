"""Authors, books, the copies on the shelves, and their loans."""

from __future__ import annotations

from datetime import timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

LOAN_DAYS = 21


class LendingError(Exception):
    """A book cannot be lent; the text is for the reader who asked."""


class Genre(models.TextChoices):
    """Where a book stands."""

    ADVENTURE = "adventure", pgettext_lazy("genre", "Adventure")
    CHILDREN = "children", pgettext_lazy("genre", "Children")
    DRAMA = "drama", pgettext_lazy("genre", "Drama")
    GOTHIC = "gothic", pgettext_lazy("genre", "Gothic")
    HUMOR = "humor", pgettext_lazy("genre", "Humor")
    MYSTERY = "mystery", pgettext_lazy("genre", "Mystery")
    PHILOSOPHY = "philosophy", pgettext_lazy("genre", "Philosophy")
    POETRY = "poetry", pgettext_lazy("genre", "Poetry")
    REALISM = "realism", pgettext_lazy("genre", "Realism")
    ROMANCE = "romance", pgettext_lazy("genre", "Romance")
    SCIENCE_FICTION = "science-fiction", pgettext_lazy("genre", "Science fiction")


class Author(models.Model):
    """Somebody who wrote at least one of the books."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    born = models.PositiveSmallIntegerField(_("born"), null=True, blank=True)
    died = models.PositiveSmallIntegerField(_("died"), null=True, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("author")
        verbose_name_plural = _("authors")

    def __str__(self) -> str:
        return self.name


class BookQuerySet(models.QuerySet["Book"]):
    """Ways to choose books."""

    def search(self, text: str) -> BookQuerySet:
        """Keep the books that have every word of `text` in title, author or summary."""
        books = self
        for word in text.split():
            books = books.filter(
                models.Q(title__icontains=word)
                | models.Q(author__name__icontains=word)
                | models.Q(summary__icontains=word)
            )
        return books

    def available(self) -> BookQuerySet:
        """Keep the books of which a copy can be borrowed now."""
        return self.filter(pk__in=Copy.objects.free().values("book"))

    def with_counts(self) -> BookQuerySet:
        """Fetch the author too, and give each book `count_copies` and `count_free`."""
        copies = models.Count("copies", distinct=True)
        lent = models.Count(
            "copies__loans",
            filter=models.Q(
                copies__loans__isnull=False, copies__loans__returned_on=None
            ),
            distinct=True,
        )
        books = self.select_related("author").annotate(  # type: ignore[no-redef]  # of Book
            count_copies=copies, count_free=copies - lent
        )
        # Said again: Django forgets Meta.ordering where it groups.
        return books.order_by("title", "isbn")


class Book(models.Model):
    """A title; what one carries home is a `Copy`."""

    isbn = models.CharField(_("ISBN"), max_length=13, unique=True)
    title = models.CharField(_("title"), max_length=200)
    author = models.ForeignKey(
        Author, models.PROTECT, related_name="books", verbose_name=_("author")
    )
    year = models.PositiveSmallIntegerField(_("first published"))
    genre = models.CharField(_("genre"), max_length=20, choices=Genre)
    summary = models.TextField(_("summary"), blank=True)

    # On the books of `BookQuerySet.with_counts` only.
    count_copies: int
    count_free: int

    objects = BookQuerySet.as_manager()

    class Meta:
        ordering = ("title", "isbn")
        verbose_name = _("book")
        verbose_name_plural = _("books")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Return the path of the book's page."""
        return reverse("book_detail", args=[self.isbn])

    @transaction.atomic
    def lend_to(self, reader: User, days: int = LOAN_DAYS) -> Loan:
        """Lend a free copy.

        Raises:
            LendingError: No copy is free, or the reader has one already.
        """
        if Loan.objects.open().filter(copy__book=self, borrower=reader).exists():
            text = gettext("You have borrowed %(title)s already.")
            raise LendingError(text % {"title": self.title})
        copy = self.copies.free().first()
        if copy is None:
            text = gettext("All copies of %(title)s are lent.")
            raise LendingError(text % {"title": self.title})
        return Loan.objects.create(
            copy=copy,
            borrower=reader,
            due_on=timezone.localdate() + timedelta(days=days),
        )

    async def alend_to(self, reader: User, days: int = LOAN_DAYS) -> Loan:
        """Do what `lend_to` does, from async code."""
        return await sync_to_async(self.lend_to)(reader, days)


class CopyQuerySet(models.QuerySet["Copy"]):
    """Ways to choose copies."""

    def lent(self) -> CopyQuerySet:
        """Keep the copies that somebody has at home."""
        return self.filter(loans__in=Loan.objects.open())

    def free(self) -> CopyQuerySet:
        """Keep the copies that stand on their shelf."""
        return self.exclude(loans__in=Loan.objects.open())


class Copy(models.Model):
    """One physical book."""

    book = models.ForeignKey(
        Book, models.CASCADE, related_name="copies", verbose_name=_("book")
    )
    number = models.CharField(
        _("number"),
        max_length=20,
        unique=True,
        help_text=_("As on the label on its back."),
    )

    objects = CopyQuerySet.as_manager()

    class Meta:
        ordering = ("number",)
        verbose_name = pgettext_lazy("of a book", "copy")
        verbose_name_plural = pgettext_lazy("of a book", "copies")

    def __str__(self) -> str:
        return f"{self.book} ({self.number})"


class LoanQuerySet(models.QuerySet["Loan"]):
    """Ways to choose loans."""

    def open(self) -> LoanQuerySet:
        """Keep the loans whose copy is not back."""
        return self.filter(returned_on=None)

    def with_books(self) -> LoanQuerySet:
        """Fetch copy, book and author in the same query."""
        return self.select_related("copy__book__author")


class Loan(models.Model):
    """A copy in a reader's hands; kept when it is returned."""

    copy = models.ForeignKey(
        Copy,
        models.PROTECT,
        related_name="loans",
        verbose_name=pgettext_lazy("of a book", "copy"),
    )
    borrower = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="loans",
        verbose_name=_("borrower"),
    )
    lent_on = models.DateField(_("lent on"), default=timezone.localdate)
    due_on = models.DateField(_("due on"))
    returned_on = models.DateField(_("returned on"), null=True, blank=True)

    objects = LoanQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "pk")
        verbose_name = _("loan")
        verbose_name_plural = _("loans")
        constraints = (
            # Two requests that find the same copy free cannot both lend it.
            models.UniqueConstraint(
                fields=["copy"],
                condition=models.Q(returned_on=None),
                name="one_open_loan_of_a_copy",
            ),
        )

    def __str__(self) -> str:
        return gettext("%(copy)s to %(borrower)s") % {
            "copy": self.copy,
            "borrower": self.borrower,
        }

    @property
    def is_overdue(self) -> bool:
        """Whether the copy should be back by now."""
        return self.returned_on is None and self.due_on < timezone.localdate()

    def take_back(self) -> None:
        """Note that the copy is back, today."""
        self.returned_on = timezone.localdate()
        self.save(update_fields=["returned_on"])
