"""Bearer tokens tied to users."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import connections, models, router, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save, pre_save
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mcp_django.conf import mcp_settings
from mcp_django.protocol.scopes import is_scope, write_scopes
from mcp_django.signals import credentials_changed

PREFIX = "mcp_"
"""How every token's text begins, so that people and secret scanners know it."""

SECRET_BYTES = 32

HINT_LENGTH = 4

LAST_USED_PRECISION = timedelta(minutes=1)
"""Uses closer together than this are recorded once."""

_HARMLESS = frozenset({"last_used_at", "name"})
"""Fields that decide nothing."""

_MANY_USERS = 100


class TokenState(models.TextChoices):
    """Whether a token opens anything, and if not, why."""

    USABLE = "usable", _("usable")
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")


class TokenQuerySet(models.QuerySet["Token"]):
    """Tokens, asked for in this app's words."""

    def usable(self, now: datetime) -> Self:
        """Leave out what is expired or revoked; the users may still be inactive."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)

    def in_state(self, state: TokenState, now: datetime) -> Self:
        """Keep the tokens whose `Token.state` is the one given."""
        match state:
            case TokenState.USABLE:
                return self.usable(now)
            case TokenState.EXPIRED:
                return self.filter(expires_at__lte=now, revoked_at=None)
            case TokenState.REVOKED:
                return self.exclude(revoked_at=None)

    def with_text(self, text: str) -> Self:
        """Keep the one token, if any, whose text is the one given."""
        return self.filter(digest=_digest(text))

    def update(self, **values: Any) -> int:
        """Update the tokens, as Django does, and tell whose credentials changed."""
        if not mcp_settings.CREDENTIAL_CACHE_SECONDS or values.keys() <= _HARMLESS:
            return super().update(**values)
        # Found before: revoked ones may be those that are not selected any more.
        users = self.order_by().values_list("user_id", flat=True).distinct()
        found: list[Any] = list(users[: _MANY_USERS + 1])
        count = super().update(**values)
        for user_id in found if len(found) <= _MANY_USERS else (None,):
            credentials_changed.send(Token, user_id=user_id, using=self.db)
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own


class Token(models.Model):
    """A secret by which a program acts as a user.

    Only a digest of the text is stored: the text is shown when the token is issued
    and cannot be found again. The digest is plain SHA-256, without salt or stretching,
    because the text is made of 256 random bits: what slow hashes protect, guessable
    passwords, does not occur, and each request may look a token up by its digest.

    A token is usable from the start until it is revoked or expires; neither is undone.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="mcp_tokens",
        verbose_name=_("user"),
        help_text=_("Whoever has the token acts as this user."),
    )
    name = models.CharField(
        _("name"),
        max_length=100,
        help_text=_("What the token is for, such as “Laptop”."),
    )
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    hint = models.CharField(
        _("hint"),
        max_length=HINT_LENGTH,
        editable=False,
        help_text=_("The last characters of the token."),
    )
    created_at = models.DateTimeField(
        _("created"), default=timezone.now, editable=False
    )
    expires_at = models.DateTimeField(
        _("expires"),
        null=True,
        blank=True,
        help_text=_("Empty for a token that does not expire."),
    )
    last_used_at = models.DateTimeField(
        _("last used"), null=True, blank=True, editable=False
    )
    revoked_at = models.DateTimeField(
        _("revoked"), null=True, blank=True, editable=False
    )

    # Empty text is no scope at all, which is something else than null.
    scope = models.TextField(  # noqa: DJ001
        _("scopes"),
        null=True,
        blank=True,
        editable=False,
        help_text=_(
            "What the token allows of what its user may do, separated by spaces; null "
            "for everything."
        ),
    )

    objects = TokenQuerySet.as_manager()

    _user_id_before: Any = None

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        permissions = (("add_own_token", _("Can make tokens for oneself")),)
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"

    def clean(self) -> None:
        """Refuse to issue a token that would not be usable."""
        if not self._state.adding:
            return
        if self.expires_at is not None and self.expires_at <= timezone.now():
            raise ValidationError({"expires_at": _("This moment has passed already.")})
        if self.user_id is not None and not self.is_user_active:
            raise ValidationError(
                {"user": _("This user is inactive, so no token can be used.")}
            )

    @classmethod
    def issue(
        cls,
        user: AbstractBaseUser,
        name: str,
        expires_at: datetime | None = None,
        *,
        scopes: Iterable[str] | None = None,
    ) -> tuple[Token, str]:
        """Save a new token.

        Args:
            user: The one as which a program with the token acts.
            name: What the token is for, for people; at most 100 characters.
            expires_at: When it ends; None for never.
            scopes: What it allows of what its user may do; None for everything.

        Returns:
            The token, and its text: `mcp_` and 43 characters of URL-safe base64.

        Raises:
            ValueError: One is no name of a scope.
        """
        token = cls(
            user=user,  # type: ignore[misc]  # the plugin knows one user model only
            name=name,
            expires_at=expires_at,
        )
        token.set_scopes(scopes)
        text = token.set_new_text()
        token.save(force_insert=True)
        return token, text

    def set_new_text(self) -> str:
        """Give an unsaved token its text, and return it; nothing is saved."""
        text = _new_text()
        # `mcp_token revoke` would take such a hint for an option.
        while text[-HINT_LENGTH] == "-":
            text = _new_text()
        self.digest = _digest(text)
        self.hint = text[-HINT_LENGTH:]
        return text

    @property
    def scopes(self) -> frozenset[str] | None:
        """What it allows of what its user may do; None for everything."""
        return None if self.scope is None else frozenset(self.scope.split())

    def set_scopes(self, scopes: Iterable[str] | None) -> None:
        """Say what an unsaved token allows; nothing is saved.

        Args:
            scopes: Names of scopes; None for everything.

        Raises:
            ValueError: One is no name of a scope.
        """
        if scopes is None:
            self.scope = None
            return
        names = [scopes] if isinstance(scopes, str) else list(scopes)
        for name in names:
            if not is_scope(name):
                raise ValueError(f"{name!r} is no name of a scope")
        self.scope = write_scopes(names)

    def revoke(self) -> None:
        """Make the token useless at once; the first revocation is the one recorded."""
        now = timezone.now()
        if (
            type(self)
            .objects.filter(pk=self.pk, revoked_at=None)
            .update(revoked_at=now)
        ):
            self.revoked_at = now
        else:
            self.refresh_from_db(fields=["revoked_at"])

    def record_use(self, now: datetime) -> None:
        """Remember that the token was used, if the last memory is a minute old.

        May run concurrently; only one of the runs within a minute writes. Where the
        database can tell, nothing is remembered while another process writes the token.
        """
        before = now - LAST_USED_PRECISION
        if self.last_used_at is not None and self.last_used_at > before:
            return
        using = router.db_for_write(Token)
        due = Token.objects.using(using).filter(
            Q(last_used_at=None) | Q(last_used_at__lte=before), pk=self.pk
        )
        if not connections[using].features.has_select_for_update_skip_locked:
            due.update(last_used_at=now)
            return
        with transaction.atomic(using):
            if due.select_for_update(skip_locked=True).first() is not None:
                due.update(last_used_at=now)

    def state_at(self, now: datetime) -> TokenState:
        """Say whether the token opens anything; revoked outranks expired."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        return TokenState.USABLE

    @property
    def is_user_active(self) -> bool:
        """Whether the user may log in; true for user models that do not say."""
        return bool(getattr(self.user, "is_active", True))


# What changes credentials ---------------------------------------------------------


def connect() -> None:
    """Begin to tell of tokens that change; done once, when the app is ready."""
    for model in apps.get_models():
        if issubclass(model, Token):  # proxies and children, too
            pre_save.connect(_note_user_before, model, dispatch_uid=__name__)
            post_save.connect(_tell_of_save, model, dispatch_uid=__name__)
            post_delete.connect(_tell_of_deletion, model, dispatch_uid=__name__)


def _note_user_before(
    instance: Token,
    using: str,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    """Note whose token it was, of which it may make another one's."""
    instance._user_id_before = None
    is_kept = mcp_settings.CREDENTIAL_CACHE_SECONDS and instance.pk is not None
    if is_kept and not _is_harmless(update_fields):
        found = Token._base_manager.using(using).filter(pk=instance.pk)
        instance._user_id_before = found.values_list("user_id", flat=True).first()


def _tell_of_save(
    instance: Token,
    created: bool,
    using: str,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    # A new one is not known to anybody yet.
    if created or _is_harmless(update_fields):
        return
    for user_id in {instance._user_id_before, instance.user_id} - {None}:
        credentials_changed.send(Token, user_id=user_id, using=using)


def _is_harmless(update_fields: Collection[str] | None) -> bool:
    return bool(update_fields) and _HARMLESS.issuperset(update_fields or ())


def _tell_of_deletion(instance: Token, using: str, **kwargs: Any) -> None:
    credentials_changed.send(Token, user_id=instance.user_id, using=using)


def _new_text() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _digest(text: str) -> str:
    """Return what is stored of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()
