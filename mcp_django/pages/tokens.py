"""A user's own tokens: the form that makes one, and what a page shows of them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.core.cache import caches
from django.forms import CharField, CheckboxSelectMultiple, ChoiceField, Form
from django.forms.widgets import HiddenInput
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from mcp_django.auth.interface import User
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.protocol.scopes import READ
from mcp_django.tokens.choosing import ScopesField
from mcp_django.tokens.models import Token, TokenQuerySet
from mcp_django.tokens.scopes import known_scopes

logger = FaultLog("mcp_django.pages")

PERMISSION: Final = "mcp_tokens.add_own_token"
"""What a user needs to make tokens for oneself. Users have it when they were given it:
who may add tokens for others may be anybody."""

MOST_TOKENS: Final = 50
"""How many usable tokens users may have who make another: more than they have programs,
and so few that a script which sends the form fills no table. Others may make more for
a user."""

_NEVER: Final = "never"
_ENDED_SHOWN: Final = 10
"""How many expired and revoked tokens are listed; those are of little use."""

_FORM_SECONDS: Final = 24 * 60 * 60
"""For how long it is known that a form was sent."""


class TokenForm(Form):
    """Asks what a token of one's own is for, what it allows, and for how long."""

    form = CharField(max_length=64, widget=HiddenInput)
    name = CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("What the token is for, such as “Laptop”."),
    )
    scopes = ScopesField(
        gettext_lazy("Everything that you may do"), widget=CheckboxSelectMultiple
    )
    expires = ChoiceField(
        label=gettext_lazy("Expires"),
        choices=(
            ("7", gettext_lazy("in a week")),
            ("30", gettext_lazy("in 30 days")),
            ("90", gettext_lazy("in 90 days")),
            ("365", gettext_lazy("in a year")),
            (_NEVER, pgettext_lazy("expires", "never")),
        ),
    )

    @classmethod
    def fresh(cls) -> TokenForm:
        """Give a form to fill in; it makes one token, however often it is sent."""
        reading = [READ] if READ in known_scopes() else []
        initial = {
            "form": secrets.token_urlsafe(16),
            "scopes": reading,
            "expires": "30",
        }
        return cls(initial=initial)


def may_make(user: User) -> bool:
    """Say whether a user may make tokens of one's own; no stranger may."""
    has_permission = getattr(user, "has_perm", None)  # User models need not have it.
    return user.is_authenticated and bool(has_permission and has_permission(PERMISSION))


def has_too_many(user: User) -> bool:
    """Say whether a user has as many usable tokens as one may make."""
    usable = _tokens_of(user).usable(timezone.now())
    return usable.count() >= MOST_TOKENS


class MadeAlready(Exception):
    """A form was sent again, as browsers do when a page is loaded again."""


def make_token(user: User, form: TokenForm) -> str:
    """Save what a valid form asks for, and give the token's text, which nothing keeps.

    Raises:
        MadeAlready: The form has made a token before.
    """
    asked: Mapping[str, Any] = form.cleaned_data
    cache = caches[mcp_settings.CACHE]
    digest = hashlib.sha256(asked["form"].encode("utf-8", "replace")).hexdigest()
    key = f"mcp_django.token_form.{user.pk}.{digest[:32]}"
    if not _is_new(cache, key):
        raise MadeAlready
    days = asked["expires"]
    expires_at = None if days == _NEVER else timezone.now() + timedelta(days=int(days))
    try:
        _, text = Token.issue(
            user,  # type: ignore[arg-type]  # who has logged in has a row
            asked["name"],
            expires_at,
            scopes=asked["scopes"],
        )
    except BaseException:
        # Nothing was made, and the form may be sent again.
        with suppress(Exception):
            cache.delete(key)
        raise
    return text


def _is_new(cache: Any, key: str) -> bool:
    """Note that a form was sent; one request alone finds that it is new."""
    try:
        return bool(cache.add(key, 1, timeout=_FORM_SECONDS))
    except Exception as error:  # Whatever the cache's library raises.
        logger.warning(
            "cannot tell whether a form was sent before, so that it makes another "
            "token; look at the cache: %r",
            error,
        )
        return True


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A token, as its user is shown it.

    Attributes:
        token: It.
        state: Whether it opens anything, in words.
        is_usable: Whether it does.
        allows: What it allows, in words; empty for nothing.
    """

    token: Token
    state: str
    is_usable: bool
    allows: Sequence[str]


def own_tokens(user: User) -> list[OwnToken]:
    """List a user's tokens: all that open something, and the newest of the others."""
    now = timezone.now()
    tokens = _tokens_of(user)
    shown = [_describe(token, True) for token in tokens.usable(now)]
    ended = tokens.exclude(pk__in=[own.token.pk for own in shown])
    return [*shown, *(_describe(token, False) for token in ended[:_ENDED_SHOWN])]


def find_token(user: User, given: str) -> OwnToken | None:
    """Give the usable token of a user that a query names; None if there is none."""
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        return None
    found = _tokens_of(user).filter(pk=int(given)).usable(timezone.now())
    token = found.first()
    return None if token is None else _describe(token, True)


def _describe(token: Token, is_usable: bool) -> OwnToken:
    state = str(token.state_at(timezone.now()).label)
    if token.scopes is None:
        return OwnToken(token, state, is_usable, [_("everything that you may do")])
    known = known_scopes()
    allows = [str(known.get(name) or name) for name in sorted(token.scopes)]
    return OwnToken(token, state, is_usable, allows)


def _tokens_of(user: User) -> TokenQuerySet:
    pk: Any = user.pk  # None for a stranger, who has no tokens
    return Token.objects.filter(user_id=pk)
