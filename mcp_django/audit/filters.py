"""How the admin narrows the audit trail; each look reads a bounded part of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Field, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from mcp_django.audit.figures import OUTCOMES
from mcp_django.audit.models import Entry
from mcp_django.audit.periods import CHOICES, DEFAULT, Period, local

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Entry]
else:
    # Generic in the stubs only.
    ModelAdmin = admin.ModelAdmin

_LOOKED_AT: Final = 2_000
"""Newest entries of the period whose values are offered."""

_MAX_LINKS: Final = 8
_MAX_SUGGESTIONS: Final = 200
_EMPTY: Final = "__empty"
_OPEN: Final = ("outcome", "feature", "username", "client_name")
_ONES_OF_TIME: Final = ("since", "until", "period")


class PeriodFilter(admin.ListFilter):
    """Narrows the list to a period: one of some, or from and until given times."""

    title = _("time")
    template = "admin/mcp_audit/entry/period_filter.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Entry],
        model_admin: ModelAdmin,
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.period = Period.of(request.GET)
        self.others: list[tuple[str, str]] = []
        for mistake in self.period.mistakes:
            messages.error(request, mistake)

    def expected_parameters(self) -> list[str | None]:
        """Name what it reads in the address."""
        return [*_ONES_OF_TIME]

    def has_output(self) -> bool:
        """Say that there is always a choice."""
        return True

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Entry]
    ) -> QuerySet[Entry]:
        """Leave out what is not of the period."""
        return self.period.narrow(queryset)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Offer the periods."""
        self.others = other_parameters(changelist, _ONES_OF_TIME)
        for name, (label, _length) in CHOICES.items():
            new = {"period": None if name == DEFAULT else name}
            yield {
                "selected": self.period.choice == name,
                "query_string": changelist.get_query_string(
                    {"since": None, "until": None} | new
                ),
                "display": label,
            }

    @property
    def since(self) -> str:
        """Say from when on, for the field of the form."""
        return self._shown("since")

    @property
    def until(self) -> str:
        """Say until when, for the field of the form."""
        return self._shown("until")

    def _shown(self, name: str) -> str:
        at = getattr(self.period, name)
        if self.period.choice or at is None:
            return ""
        return local(at).strftime("%Y-%m-%dT%H:%M")


class ValueFilter(admin.FieldListFilter):
    """Narrows the list to one value of a field.

    It offers what is frequent among the newest entries of the period; there is a field
    for others. Django's own asks for each value that is in the table.
    """

    template = "admin/mcp_audit/entry/value_filter.html"

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Entry],
        model_admin: ModelAdmin,
        field_path: str,
    ) -> None:
        self.empty_name = field_path + _EMPTY
        super().__init__(field, request, params, model, model_admin, field_path)
        self.value = request.GET.get(field_path, "")
        self.is_empty = bool(request.GET.get(self.empty_name)) and not self.value
        self.counts = self.count(
            Period.of(request.GET).narrow(model_admin.get_queryset(request))
        )
        self.others: list[tuple[str, str]] = []

    def expected_parameters(self) -> list[str | None]:
        """Name what it reads in the address."""
        return [self.field_path, self.empty_name]

    def count(self, entries: QuerySet[Entry]) -> Counter[str]:
        """Count the values of the newest entries of the period."""
        newest = entries.order_by("-time").values_list(self.field_path, flat=True)
        return Counter(newest[:_LOOKED_AT])

    def has_output(self) -> bool:
        """Say whether there is something to choose."""
        return len(self.counts) > 1 or self.is_active

    @property
    def is_active(self) -> bool:
        """Whether it narrows the list."""
        return bool(self.value) or self.is_empty

    @property
    def is_open(self) -> bool:
        """Whether its choices are shown at once."""
        return self.is_active or self.field_path in _OPEN

    @property
    def has_more(self) -> bool:
        """Whether there may be values that are not offered as links."""
        return len(self.counts) > _MAX_LINKS

    @property
    def suggestions(self) -> list[str]:
        """What the field for others suggests."""
        return sorted(name for name, _count in self.counts.most_common() if name)[
            :_MAX_SUGGESTIONS
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Entry]
    ) -> QuerySet[Entry]:
        """Leave out what has another value."""
        if "\0" in self.value:  # which PostgreSQL takes for a mistake
            return queryset.none()
        if self.value:
            return queryset.filter(**{self.field_path: self.value})
        if self.is_empty:
            return queryset.filter(**{self.field_path: ""})
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Offer all, and the frequent values."""
        self.others = other_parameters(changelist, (self.field_path, self.empty_name))
        yield self._choice(
            changelist,
            pgettext("values of a filter", "All"),
            not self.is_active,
            None,
            None,
        )
        offered = [name for name, _count in self.counts.most_common(_MAX_LINKS)]
        if self.value and self.value not in offered:
            offered.insert(0, self.value)
        if "" in offered:
            offered.remove("")
            offered.append("")
        for name in offered:
            if name:
                is_chosen, label = name == self.value, self.label_of(name)
                yield self._choice(changelist, label, is_chosen, name, None)
            else:
                yield self._choice(
                    changelist,
                    pgettext("value of a filter", "none"),
                    self.is_empty,
                    None,
                    "1",
                )

    def label_of(self, value: str) -> Any:
        """Say a value in words for people."""
        return value

    def _choice(
        self,
        changelist: ChangeList,
        label: Any,
        is_chosen: bool,
        value: str | None,
        empty: str | None,
    ) -> dict[str, Any]:
        query = changelist.get_query_string(
            {self.field_path: value, self.empty_name: empty}
        )
        return {"selected": is_chosen, "query_string": query, "display": label}


class OutcomeFilter(ValueFilter):
    """Narrows the list to one outcome; offers all of them, as there are few."""

    def count(self, entries: QuerySet[Entry]) -> Counter[str]:
        """Offer all there are."""
        return Counter(dict.fromkeys(OUTCOMES, 1))

    def label_of(self, value: str) -> Any:
        """Say an outcome in words for people."""
        return OUTCOMES.get(value, value)


def other_parameters(
    changelist: ChangeList, names: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Give what a form has to send along, so that other filters stay."""
    params: Mapping[str, list[str]] = changelist.filter_params
    return [
        (name, value)
        for name, values in params.items()
        if name not in (*names, PAGE_VAR)
        for value in values
    ]
