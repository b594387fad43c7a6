"""Switching features on their pages; for sites with `mcp_django.switches` alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mcp_django.operations import Answers, aend
from mcp_django.pages.admin.live_view import warnings_of
from mcp_django.pages.admin.offered import Feature, Offered
from mcp_django.server.server import Server
from mcp_django.server.switched_off import SwitchedFeature
from mcp_django.switches.models import MAX_WHY, Switch
from mcp_django.switches.switching import switch_off, switch_on

_OFF: Final = "mcp_switches.add_switch"
_ON: Final = "mcp_switches.delete_switch"
_END: Final = "mcp_pages.end_live"

_ASKED_AT_ONCE: Final = 10


class Switches:
    """What is switched off, as the table says now."""

    def __init__(self) -> None:
        # A replica may not have yet what was just switched.
        rows = Switch.objects.using(_database())
        self._switches = {switch.feature: switch for switch in rows}

    def of(self, offered: Offered) -> list[Switch]:
        """Give what switches a feature off: for its server, for all, or both."""
        kind, name = offered.kind, offered.name
        words = (
            SwitchedFeature(kind, name, offered.server.name),
            SwitchedFeature(kind, name),
        )
        return [self._switches[each] for each in words if each in self._switches]

    def not_of(self, offered: Iterable[Offered]) -> list[Switch]:
        """Give those that switch none of these features off."""
        meant = {switch.pk for each in offered for switch in self.of(each)}
        return [s for s in self._switches.values() if s.pk not in meant]

    def covers(self, server: Server, feature: Feature) -> bool:
        """Say whether a feature is off, as `price_of_server` asks it."""
        return bool(self.of(Offered.of(server, feature)))


class SwitchOffForm(forms.Form):
    """Asks why a feature is switched off."""

    why = forms.CharField(
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("For your colleagues; clients do not see it."),
        max_length=MAX_WHY,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
    )
    end_calls = forms.BooleanField(
        label=gettext_lazy("End calls that run, too"), required=False
    )

    def __init__(self, data: Any = None, *, may_end: bool) -> None:
        super().__init__(data, label_suffix="")
        if not may_end:
            del self.fields["end_calls"]


class Switching:
    """What the user of a request may switch, and does.

    Args:
        admin: That of the page; says in the admin's log what was done.
        request: For the page, or of one of its buttons.

    Attributes:
        may_switch_off: Whether the user may.
        may_switch_on: The same for on.
        form: To fill in before anything is switched off.
    """

    def __init__(self, admin: ModelAdmin[Any], request: HttpRequest) -> None:
        self._admin = admin
        self._request = request
        self.may_switch_off = request.user.has_perm(_OFF)
        self.may_switch_on = request.user.has_perm(_ON)
        given = request.POST if "off" in request.POST else None
        self.form = SwitchOffForm(given, may_end=request.user.has_perm(_END))

    def take(self, chosen: Sequence[Offered]) -> bool:
        """Do what a button asks for; give False if the form has to be mended first.

        Raises:
            PermissionDenied: The user may not.
        """
        is_off = "off" in self._request.POST
        if not is_off and "on" not in self._request.POST:
            return True  # by none of our buttons
        if not (self.may_switch_off if is_off else self.may_switch_on):
            raise PermissionDenied
        if not chosen:
            self._say(messages.WARNING, _("Choose features first."))
        elif not is_off:
            self._switch_on(chosen)
        elif not self.form.is_valid():
            return False
        else:
            self._switch_off(chosen, **self.form.cleaned_data)
        return True

    def _switch_off(
        self, chosen: Sequence[Offered], why: str, end_calls: bool = False
    ) -> None:
        done: list[Offered] = []
        # All at once: also because each would wait for the disk.
        with transaction.atomic(_database()):
            for offered in chosen:
                if self._switch_one_off(offered, why):
                    done.append(offered)
            switches = Switches()
            for offered in done:
                switch = switches.of(offered)[0]
                self._admin.log_addition(self._request, switch, [{"added": {}}])
        self._report(_("Switched off: %(features)s."), done)
        if end_calls:
            self._end_calls(chosen)

    def _switch_one_off(self, offered: Offered, why: str) -> bool:
        """Switch a feature off; say whether it was on."""
        kind, name, user = offered.kind, offered.name, self._request.user
        try:
            return switch_off(kind, name, server=offered.server, why=why, by=user)
        except ValueError as error:  # such as a URI that is longer than the table takes
            self._say(messages.ERROR, f"{offered.id:.100}: {error}")
            return False

    def _end_calls(self, chosen: Sequence[Offered]) -> None:
        """End the calls of features in all workers, and say how many they were."""
        several = async_to_sync(_end_calls_of)(chosen)
        workers = (worker for answers in several for worker in answers.workers)
        count = sum(worker["calls"] for worker in workers)
        text = ngettext(
            "%(count)d call was ended.", "%(count)d calls were ended.", count
        )
        self._say(messages.SUCCESS, text % {"count": count})
        warnings = (each for answers in several for each in warnings_of(answers))
        for warning in dict.fromkeys(warnings):
            self._say(messages.WARNING, warning)

    def _switch_on(self, chosen: Sequence[Offered]) -> None:
        """Switch on what is off for its server, or for all if the button says so."""
        is_for_all = self._request.POST["on"] == "all"
        switches, done, left = Switches(), [], []
        with transaction.atomic(_database()):
            for offered in chosen:
                for switch in switches.of(offered):
                    if is_for_all is not (switch.server == ""):
                        left.append(offered)
                        continue
                    self._admin.log_deletions(self._request, [switch])  # type: ignore[arg-type]  # it iterates alone
                    switch_on(offered.kind, offered.name, server=switch.server)
                    done.append(offered)
        self._report(_("Switched on: %(features)s."), done)
        if left:
            text = _("Still off, for all servers or for one: %(features)s.")
            self._say(messages.WARNING, text % {"features": _names(left)})

    def _report(self, text: str, done: Sequence[Offered]) -> None:
        if done:
            self._say(messages.SUCCESS, text % {"features": _names(done)})
        else:
            self._say(messages.INFO, _("Nothing had to be switched."))

    def _say(self, level: int, text: str) -> None:
        self._admin.message_user(self._request, text, level)


async def _end_calls_of(chosen: Sequence[Offered]) -> list[Answers]:
    """End calls, of some features at a time: each asks all workers, and waits."""
    several: list[Answers] = []
    for start in range(0, len(chosen), _ASKED_AT_ONCE):
        some = chosen[start : start + _ASKED_AT_ONCE]
        ends = (aend(feature=offered.id) for offered in some)
        several += await asyncio.gather(*ends)
    return several


def _database() -> str:
    return router.db_for_write(Switch)


def _names(chosen: Sequence[Offered]) -> str:
    return ", ".join(offered.id for offered in chosen)
