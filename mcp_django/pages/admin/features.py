"""The admin pages of what the servers offer: all features, and each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from mcp_django.bulkheads.admin_views import unless_tables_lack
from mcp_django.pages.admin.offered import (
    Offered,
    ServerOffer,
    all_offers,
    offered_by_id,
)
from mcp_django.pages.admin.page import PageAdmin
from mcp_django.pages.console import may_use_console
from mcp_django.pages.models import Feature
from mcp_django.protocol.price import (
    FEATURE_ERROR_PERCENT,
    MAX_TOKENS,
    MAX_TOOLS,
    SERVER_ERROR_PERCENT,
)
from mcp_django.server.features import Resource
from mcp_django.server.prices import ServerPrice, price_of, price_of_server

if TYPE_CHECKING:
    from mcp_django.audit.use import Use, UseOfFeatures
    from mcp_django.pages.admin.switching import Switches, Switching
    from mcp_django.switches.models import Switch

USE_DAYS: Final = 30
"""For how many days it is said how features were used."""

_MOST_UNKNOWN: Final = 10
_MAX_UNKNOWN: Final = 200
"""How many features that there are not are named, and by how many characters."""

_MAY_SEE_USE: Final = "mcp_audit.view_entry"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list.

    Attributes:
        offered: The feature.
        tokens: Its price.
        switches: What switches it off.
        use: How it was used; None where that is not known.
    """

    offered: Offered
    tokens: int
    switches: Sequence[Switch]
    use: Use | None

    @property
    def n_errors(self) -> int:
        """How many of its calls were refused or failed."""
        return 0 if self.use is None else self.use.refused + self.use.failed

    @property
    def n_calls(self) -> int:
        """How many there were."""
        return 0 if self.use is None else self.use.calls


@dataclass(frozen=True, slots=True)
class Section:
    """A server in the list.

    Attributes:
        offer: The server, and what it offers.
        price: Of what is not switched off.
        groups: Each kind with its lines.
    """

    offer: ServerOffer
    price: ServerPrice
    groups: list[tuple[Promise, list[Row]]]

    @property
    def n_off(self) -> int:
        """How many of its features are switched off."""
        return sum(bool(row.switches) for _label, rows in self.groups for row in rows)


@admin.register(Feature)
class FeatureAdmin(PageAdmin):
    """Shows all features of all servers, also those that the user may not use.

    Who may see the page is said by `mcp_pages.view_feature`. Users switch features off
    and on by the permissions of `mcp_django.switches`, and see how they were used by
    that of the audit trail.
    """

    def more_urls(self) -> list[URLPattern]:
        """Give each feature a page."""
        view = self.admin_site.admin_view(self.feature_view)
        name = "mcp_pages_feature_change"
        return [path("<path:feature_id>/change/", view, name=name)]

    @unless_tables_lack
    def feature_view(self, request: HttpRequest, feature_id: str) -> HttpResponse:
        """Show one feature, or switch it.

        Raises:
            PermissionDenied: The user may not.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        id = unquote(feature_id)
        offered = offered_by_id().get(id)
        if offered is None:
            text = _("There is no feature “%(feature)s”, or not any more.")
            self.message_user(request, text % {"feature": id[:200]}, messages.WARNING)
            return HttpResponseRedirect(self.url)
        return self._show_one(request, offered)

    @unless_tables_lack
    def show(self, request: HttpRequest) -> HttpResponse:
        """Show all features, server by server."""
        switching = _switching(self, request)
        ids: Mapping[str, None] = {}
        if request.method == "POST" and switching is not None:
            known = offered_by_id()
            ids = dict.fromkeys(request.POST.getlist("feature"))
            for id in [id for id in ids if id not in known][:_MOST_UNKNOWN]:
                self._say_that_there_is_none(request, id)
            if switching.take([known[id] for id in ids if id in known]):
                return HttpResponseRedirect(request.get_full_path())
        order = request.GET.get("o", "")
        use, switches = _use(request), _switches()
        offers = all_offers()
        features = [offered for offer in offers for offered in offer.features]
        sections = [
            _section(offer, switches, use, _ORDERS.get(order)) for offer in offers
        ]
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "sections": sections,
            "order": order,
            "use": use,
            "counted_since": _counted_since(use),
            "switching": switching,
            "chosen": ids,
            "strays": [] if switches is None else switches.not_of(features),
            "switches_url": self._url_of_switches(request),
            "days": USE_DAYS,
            "max_tools": MAX_TOOLS,
            "max_tokens": MAX_TOKENS,
            "error": SERVER_ERROR_PERCENT,
        }
        return self.render(request, "admin/mcp_pages/features.html", context)

    def _show_one(self, request: HttpRequest, offered: Offered) -> HttpResponse:
        switching, switches = _switching(self, request), _switches()
        is_post = request.method == "POST"
        if is_post and switching is not None and switching.take([offered]):
            return HttpResponseRedirect(request.path)
        use = _use(request, offered.server.name)
        context = {
            "title": offered.title or offered.name,
            "offered": offered,
            "tokens": price_of(offered.server, offered.feature),
            "error": FEATURE_ERROR_PERCENT,
            "switching": switching,
            "switches": [] if switches is None else switches.of(offered),
            "use": _use_of(use, offered),
            "counted_since": _counted_since(use),
            "days": USE_DAYS,
            "audit_url": self._url_of_trail(offered) if use else "",
            "console_url": _url_of_console(request, offered),
        }
        return self.render(request, "admin/mcp_pages/feature.html", context)

    def _say_that_there_is_none(self, request: HttpRequest, id: str) -> None:
        text = _("There is no feature “%(feature)s”, or not any more.")
        named = Truncator(id).chars(_MAX_UNKNOWN)
        self.message_user(request, text % {"feature": named}, messages.WARNING)

    def _url_of_trail(self, offered: Offered) -> str:
        """Give where the trail shows the uses of a feature; "" where it does not."""
        named = {
            "server": offered.server.name,
            "feature_kind": offered.kind,
            "feature": offered.name,
            "period": "month",
        }
        url = self.url_of_list("mcp_audit_entry")
        return url and f"{url}?{urlencode(named)}"

    def _url_of_switches(self, request: HttpRequest) -> str:
        """Give where all switches are listed; "" for a user who may not see that."""
        may_see = request.user.has_perm("mcp_switches.view_switch")
        return self.url_of_list("mcp_switches_switch") if may_see else ""


# What installed apps know -----------------------------------------------------------


def _switching(page: PageAdmin, request: HttpRequest) -> Switching | None:
    if not apps.is_installed("mcp_django.switches"):
        return None
    from mcp_django.pages.admin.switching import Switching

    return Switching(page, request)


def _switches() -> Switches | None:
    if not apps.is_installed("mcp_django.switches"):
        return None
    from mcp_django.pages.admin.switching import Switches

    return Switches()


def _use(request: HttpRequest, server: str | None = None) -> UseOfFeatures | None:
    """Count how features were used, where it is known and the user may see it."""
    is_known = apps.is_installed("mcp_django.audit")
    if not (is_known and request.user.has_perm(_MAY_SEE_USE)):
        return None
    from mcp_django.audit.use import use_of_features

    return use_of_features(timezone.now() - timedelta(days=USE_DAYS), server=server)


def _use_of(use: UseOfFeatures | None, offered: Offered) -> Use | None:
    if use is None:
        return None
    return use.of(offered.server.name, offered.kind, offered.name)


def _counted_since(use: UseOfFeatures | None) -> datetime | None:
    """Give from when on uses were counted, if that is not all of the period."""
    whole = timedelta(days=USE_DAYS) - timedelta(minutes=1)
    if use is None or use.since <= timezone.now() - whole:
        return None
    return use.since


def _url_of_console(request: HttpRequest, offered: Offered) -> str:
    """Give where the user may try a feature; "" where there is no such page."""
    if not may_use_console(request.user):
        return ""
    try:
        page = reverse(f"{offered.server.name}-console")
    except NoReverseMatch:  # a server without pages, or with a variable in its URL
        return ""
    kind = f"{offered.kind}s"
    if isinstance(offered.feature, Resource) and offered.feature.template is not None:
        kind = "templates"
    return f"{page}#{urlencode({kind: offered.name, 'with': '{}'})}"


# The list ---------------------------------------------------------------------------


def _section(
    offer: ServerOffer,
    switches: Switches | None,
    use: UseOfFeatures | None,
    order: Callable[[Row], Any] | None,
) -> Section:
    def row(offered: Offered) -> Row:
        found = [] if switches is None else switches.of(offered)
        tokens = price_of(offered.server, offered.feature)
        return Row(offered, tokens, found, _use_of(use, offered))

    groups = []
    for group in offer.groups:
        rows = [row(offered) for offered in group.features]
        if order is not None:
            rows.sort(key=order)
        groups.append((group.label, rows))
    if switches is None:
        return Section(offer, price_of_server(offer.server), groups)
    price = price_of_server(offer.server, is_off=switches.covers)
    return Section(offer, price, groups)


_ORDERS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "name": lambda row: row.offered.name,
    "tokens": lambda row: -row.tokens,
    "calls": lambda row: -row.n_calls,
    "errors": lambda row: -row.n_errors,
}
"""How lines are sorted, by what the address says; else in the order of registering."""
