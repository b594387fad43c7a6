"""The librarians' side."""

from django.contrib import admin

from demo_project.library.models import Author, Book, Copy, Loan


class CopyInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in stubs only
    """Copies on the page of their book."""

    model = Copy
    extra = 1


@admin.register(Author)
class AuthorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """Authors, by name."""

    list_display = ("name", "born", "died")
    search_fields = ("name",)


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """Books with their copies."""

    list_display = ("title", "author", "year", "genre", "isbn")
    list_filter = ("genre",)
    list_select_related = ("author",)
    search_fields = ("title", "author__name", "isbn")
    autocomplete_fields = ("author",)
    inlines = (CopyInline,)


@admin.register(Copy)
class CopyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """Copies, to be found by loans."""

    list_display = ("number", "book")
    list_select_related = ("book",)
    search_fields = ("number", "book__title")
    autocomplete_fields = ("book",)


@admin.register(Loan)
class LoanAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """Loans, the open ones to be found by their missing date of return."""

    list_display = ("copy", "borrower", "lent_on", "due_on", "returned_on")
    list_filter = (("returned_on", admin.EmptyFieldListFilter), "borrower")
    list_select_related = ("copy__book", "borrower")
    search_fields = ("copy__book__title", "borrower__username")
    autocomplete_fields = ("copy", "borrower")
    date_hierarchy = "lent_on"
