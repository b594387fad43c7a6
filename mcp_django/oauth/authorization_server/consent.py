"""The page that asks a user whether a program may act for them.

What was allowed is remembered (`Consent`). The page is shown all the same unless it
would tell nothing new: see `ConsentView.is_remembered`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from oauth2_provider.settings import oauth2_settings

from mcp_django.oauth.authorization_server.authorize import (
    AuthorizationRequest,
    AuthorizeView,
)
from mcp_django.oauth.authorization_server.introductions import (
    Destination,
    Introduction,
    Place,
    in_words,
    title_of,
)
from mcp_django.oauth.authorization_server.issuing import end_tokens
from mcp_django.oauth.models import Consent
from mcp_django.rendering import render_page

_SALT: Final = "mcp_django.oauth.consent"
_BROWSER: Final = "mcp_oauth_browser"
"""Where the session keeps what no other browser knows."""

_LONGEST_RESOURCE: Final = Consent._meta.get_field("resource").max_length or 0
_LONGEST_HOST: Final = Consent._meta.get_field("redirect_host").max_length

_SHOWN_SECONDS: Final = 60 * 60
"""For how long a page that was shown may be answered."""

_ASK_ANYWAY: Final = frozenset({"consent", "select_account"})
"""Values of `prompt` for which a remembered consent does not count."""


@method_decorator(csrf_protect, name="dispatch")
class ConsentView(AuthorizeView):
    """The authorization endpoint: asks the user, and sends the program the answer.

    The form goes back to the URL of the page, from which all is read and validated
    again; the form itself says only what the user decided, and proves what was shown
    to them, in which browser.
    """

    def ask(self, request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
        """Ask, unless it is known what the user allows."""
        page = Page(request, asked)
        if len(asked.resource.url) > _LONGEST_RESOURCE:
            return self.refuse(asked, "invalid_target", "this resource is too long")
        if request.method == "POST":
            return self._decide(page)
        if self.is_remembered(page):
            return self._allow(page, asked.scopes)
        if "none" in asked.prompt:
            return self.refuse(
                asked, "consent_required", "the user has to be asked, and may not be"
            )
        return page.show()

    def is_remembered(self, page: Page) -> bool:
        """Say whether the user allowed all this before, and need not be asked again.

        Only a web site is recognized again: what is sent to its host reaches nothing
        else. On the user's own machine any program may listen at a port or claim a
        scheme, and would be let in under the name of another one. Applications that
        the site's people registered with `skip_authorization` are never asked about.

        Spec: RFC 8252, section 8.6; RFC 6749, section 10.2.
        """
        asked = page.asked
        if page.introduction.is_known and asked.application.skip_authorization:
            return True
        if oauth2_settings.REQUEST_APPROVAL_PROMPT != "auto":
            return False
        if _ASK_ANYWAY & asked.prompt or "approval_prompt" in page.request.GET:
            return False
        consent = page.consent
        return (
            page.destination.place is Place.WEB
            and consent is not None
            and consent.redirect_host == page.destination.shown
            and consent.covers(asked.scopes)
        )

    def _decide(self, page: Page) -> HttpResponse:
        """Do what the user decided."""
        request = page.request
        decision = request.POST.get("decision", "")
        if decision == "switch":
            logout(request)
            return redirect_to_login(request.get_full_path())
        if decision == "deny":
            return hand_over(request, self.deny(page.asked), page.destination)
        granted = request.POST.getlist("granted")
        if decision != "allow" or not set(granted) <= set(page.asked.scopes):
            return page.show_again(_("Choose what the program may do, and allow it."))
        if not page.was_shown():
            return page.show_again(
                _("What is asked has changed since this page was shown. Look again.")
            )
        if page.asked.scopes and not granted:
            return page.show_again(
                _("Nothing is ticked. Tick what the program may do, or deny.")
            )
        scopes = [scope for scope in page.asked.scopes if scope in granted]
        return hand_over(request, self._allow(page, scopes), page.destination)

    def _allow(self, page: Page, scopes: Collection[str]) -> HttpResponse:
        with transaction.atomic(router.db_for_write(Consent)):
            remember(page, scopes)
            return self.allow(page.asked, list(scopes))


@dataclass(frozen=True)
class Page:
    """What one authorization request is shown as.

    Attributes:
        request: It, as Django has it.
        asked: It, validated.
    """

    request: HttpRequest
    asked: AuthorizationRequest

    @property
    def user_id(self) -> Any:
        """Primary key of the user who is asked."""
        return self.request.user.pk

    @cached_property
    def introduction(self) -> Introduction:
        """Who asks."""
        return Introduction.of(self.asked.application)

    @cached_property
    def destination(self) -> Destination:
        """Where the answer goes."""
        return Destination.of(self.asked.redirect_uri)

    @cached_property
    def consent(self) -> Consent | None:
        """What the user allowed the same program before."""
        return Consent.objects.filter(
            user_id=self.user_id,
            client_id=self.asked.application.client_id,
            resource=self.asked.resource.url,
        ).first()

    def show(self, fault: str = "", *, status: int = HTTPStatus.OK) -> HttpResponse:
        """Show it, with what was wrong with the answer, if it was."""
        return render_page(
            self.request,
            "mcp_django/oauth/consent.html",
            {
                "client": self.introduction,
                "destination": self.destination,
                "resource": self.asked.resource,
                "server_title": title_of(self.asked.resource.server),
                "scopes": in_words(self.asked.scopes, self.asked.resource.scopes),
                "ticked": self._ticked(),
                "shown": signing.TimestampSigner(salt=_SALT).sign(self._digest()),
                "fault": fault,
            },
            status=status,
        )

    def _ticked(self) -> Collection[str]:
        if self.request.method == "POST":
            return self.request.POST.getlist("granted")
        return self.asked.scopes

    def show_again(self, fault: str) -> HttpResponse:
        """Show it to a user whose answer cannot be taken."""
        return self.show(fault, status=HTTPStatus.BAD_REQUEST)

    def was_shown(self) -> bool:
        """Say whether this very page was shown, lately, in the browser that answers."""
        signer = signing.TimestampSigner(salt=_SALT)
        try:
            shown = signer.unsign(
                self.request.POST.get("shown", ""), max_age=_SHOWN_SECONDS
            )
        except signing.BadSignature:
            return False
        return secrets.compare_digest(shown, self._digest())

    def _digest(self) -> str:
        """Make a digest of all that the user decides by, and of the browser."""
        client = self.introduction
        shown = [
            self._browser(),
            str(self.user_id),
            self.request.META.get("QUERY_STRING", ""),
            [self.asked.application.client_id, client.name, client.proof.value],
            self.asked.redirect_uri,
            self.asked.resource.url,
            list(self.asked.scopes),
        ]
        return salted_hmac(_SALT, json.dumps(shown), algorithm="sha256").hexdigest()

    def _browser(self) -> str:
        session = self.request.session
        if _BROWSER not in session:
            session[_BROWSER] = secrets.token_urlsafe(16)
        return str(session[_BROWSER])


def remember(page: Page, scopes: Collection[str]) -> None:
    """Keep what the user allowed, and end what they allowed before and did not now.

    Args:
        page: What they were asked.
        scopes: What they ticked of it.
    """
    asked = page.asked
    client_id = asked.application.client_id
    consent, is_new = Consent.objects.select_for_update().get_or_create(
        user_id=page.user_id,
        client_id=client_id,
        resource=asked.resource.url,
    )
    unticked = set(asked.scopes) - set(scopes)
    if not is_new and unticked.intersection(consent.scopes):
        end_tokens(page.user_id, asked.application, asked.resource.url)
    consent.change(ticked=scopes, unticked=unticked)
    consent.client_name = page.introduction.name
    consent.redirect_host = page.destination.shown[:_LONGEST_HOST]
    consent.save()


def hand_over(
    request: HttpRequest, response: HttpResponse, destination: Destination
) -> HttpResponse:
    """Send the user on after a form: by a page, in place of a redirect.

    Chromium holds the policy of a form (`form-action`) against each redirect that
    follows it, also those of the program's own site, which we cannot know.

    Args:
        request: What is answered.
        response: The redirect to the program; an error page is left as it is.
        destination: Where it leads.
    """
    if "Location" not in response:
        return response
    location = response["Location"]
    page = render_page(
        request,
        "mcp_django/oauth/handover.html",
        {"destination": destination, "location": location},
    )
    page["Refresh"] = f"0;url={location}"
    return page
