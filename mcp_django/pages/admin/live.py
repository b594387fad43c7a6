"""The admin page of what is open in all workers."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from mcp_django.auth.named_users import user_named
from mcp_django.operations import end, status
from mcp_django.pages.admin.live_ends import End, choices_for
from mcp_django.pages.admin.live_view import LISTED, LiveView, warnings_of
from mcp_django.pages.admin.page import PageAdmin
from mcp_django.pages.models import Live
from mcp_django.worker.asking import AWAY


@admin.register(Live)
class LiveAdmin(PageAdmin):
    """Shows workers and what is open there, and ends it.

    `mcp_pages.view_live` lets a user see it, `mcp_pages.end_live` end something, too.
    """

    class Media:
        css: ClassVar = {"all": ("mcp_django/admin-live.css",)}

    def more_urls(self) -> list[URLPattern]:
        """Add where something is ended."""
        view = self.admin_site.admin_view(self.end_view)
        return [path("end/", view, name="mcp_pages_live_end")]

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Say whether a user may end what is open."""
        return bool(request.user.has_perm("mcp_pages.end_live"))

    def show(self, request: HttpRequest) -> HttpResponse:
        """Ask all workers, and show what they say."""
        name = request.GET.get("user", "").strip()
        user = user_named(name) if name else None
        answers = status(listed=LISTED, user=user)
        context = {
            "live": LiveView(answers, request, self.admin_site),
            "name": name,
            "is_unknown": bool(name) and user is None,
            "is_narrowed": user is not None,
            "may_end": self.has_end_permission(request),
            "refused_url": self._refused_url(request),
            "now": timezone.now(),
        }
        return self.render(request, "admin/mcp_pages/live.html", context)

    def end_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to end something, and end it.

        Raises:
            PermissionDenied: The user may not.
        """
        may_end = self.has_view_permission(request) and self.has_end_permission(request)
        if not may_end:
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        what = End.read(given.get("what", ""))
        if what is None:
            text = _("The address does not say what to end.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(self.url)
        if request.method == "POST":
            return self._end(request, what)
        return self._ask(request, what)

    def _ask(self, request: HttpRequest, what: End) -> HttpResponse:
        meant = {} if what.kind == "all" else what.arguments
        answers = status(listed=LISTED, **meant)
        live = LiveView(answers, request, self.admin_site)
        # What a worker has that does not answer may go on.
        is_known = not answers.silent and answers.problem != AWAY
        if what.kind == "connection" and is_known and not live.open:
            self.message_user(request, _("It is over already."), messages.INFO)
            return HttpResponseRedirect(self.url)
        context = {
            "title": _("End what is open"),
            "choices": choices_for(what, live.open),
            "live": live,
        }
        return self.render(request, "admin/mcp_pages/live_end.html", context)

    def _end(self, request: HttpRequest, what: End) -> HttpResponse:
        answers = end(**what.arguments)
        counts = {
            key: sum(worker.get(key, 0) for worker in answers.workers)
            for key in ("streams", "calls")
        }
        done = _("Ended. Streams: %(streams)d, requests: %(calls)d.") % counts
        for warning in warnings_of(answers):
            self.message_user(request, warning, messages.WARNING)
        self.message_user(request, done, messages.SUCCESS)
        [choice] = choices_for(what, [])
        self.log_change(request, Live(), f"{choice.label}. {done}")
        return HttpResponseRedirect(self.url)

    def _refused_url(self, request: HttpRequest) -> str:
        """Say where the audit trail tells what was refused; "" if not to this user."""
        if not request.user.has_perm("mcp_audit.view_entry"):
            return ""
        url = self.url_of_list("mcp_audit_entry")
        return url and f"{url}?outcome=refused"
