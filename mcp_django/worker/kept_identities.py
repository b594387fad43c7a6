"""Identities that authenticators vouched for, kept for a short time.

`MCP["CREDENTIAL_CACHE_SECONDS"]` says for how long a credential that was seen before
is not looked at again. What changes it is told to all workers (`credentials_changed`);
what tells of nothing, such as SQL, counts when that time is over.
"""

from __future__ import annotations

import datetime
import re
import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from mcp_django.auth.authenticators import keeping, kept_headers
from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.databases import after_commit
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.signals import credentials_changed
from mcp_django.worker.worker import (
    Worker,
    tell_other_processes,
    workers_of_process,
)

logger = FaultLog("mcp_django.worker")

_KIND: Final = "credentials"
_HOSTS: Final = frozenset({b"host", b"x-forwarded-host"})

_UNCHANGEABLE: Final = (
    type(None),
    str,
    int,
    float,
    bytes,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    Decimal,
    uuid.UUID,
)
"""Types of values that may be shared."""

_CACHE: Final = re.compile("_.*_cache")
"""Names under which Django and others keep permissions, groups and the like."""

_key_of_process: Final = secrets.token_bytes(32)
"""Makes digests of credentials that mean nothing anywhere else."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An identity, until a time of the monotonic clock.

    Attributes:
        identity: With a row as its user.
        until: The time.
        changeable: Attributes of the row whose values handlers may change.
    """

    identity: Identity
    until: float
    changeable: Sequence[str]


class KeptIdentities:
    """What one worker keeps of identities, the oldest first; refusals are not kept.

    Nothing is kept before the worker hears what the others tell.

    Args:
        worker: The worker.
        clock: Gives the time in seconds.
        now: Gives the time by which credentials end; it may jump.
        most: How many are kept.
    """

    def __init__(
        self,
        worker: Worker,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime.datetime] = timezone.now,
        most: int = 10_000,
    ) -> None:
        self._relay = worker.relay
        self._most = most
        self._clock = clock
        self._now = now
        self._kept: dict[bytes, _Kept] = {}
        self._digests: defaultdict[str, set[bytes]] = defaultdict(set)
        # For each time that an authenticator is asked: whose credentials changed since.
        self._changed: dict[object, set[str | None]] = {}
        worker.relay.on_told(_KIND, self._hear)
        worker.relay.on_lost(partial(self.forget, None))

    @classmethod
    def make_for(cls, worker: Worker) -> KeptIdentities:
        """Make it for a worker."""
        return cls(worker)

    async def find(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        ask: Callable[[], Awaitable[Identity]],
        *,
        path: str,
    ) -> Identity:
        """Give the identity that was found for the same credential, or ask for it.

        Args:
            headers: All headers of the request.
            ask: Asks the authenticators.
            path: The script name and the path of the request: a token of OAuth is for
                one endpoint.

        Raises:
            Exception: Whatever `ask` raises.
        """
        digest = _digest_of(headers, path)
        kept = None if digest is None else self._kept.get(digest)
        asked_at = self._clock()
        if kept is not None and asked_at < kept.until and self._holds(kept.identity):
            # Handlers may change their user, and Django keeps permissions there.
            return _with_own_user(kept.identity, kept.changeable)
        if digest is None:
            return await ask()
        # Before it is asked: what is told before the mailbox is open is missed.
        mailbox = self._relay.mailbox
        asking = object()
        changed = self._changed[asking] = set()
        try:
            identity = await ask()
        finally:
            del self._changed[asking]
        is_unchanged = changed.isdisjoint((identity.owner, None))
        if is_unchanged and self._may_keep(identity, mailbox):
            self._keep(digest, identity, asked_at)
        return identity

    def forget(self, owner: str | None) -> None:
        """Forget what is kept of one user; None for all users."""
        for changed in self._changed.values():
            changed.add(owner)
        if owner is None:
            self._kept.clear()
            self._digests.clear()
        else:
            for digest in self._digests.pop(owner, ()):
                del self._kept[digest]

    def _holds(self, identity: Identity) -> bool:
        # Where settings have changed meanwhile, as in tests, there are others to ask.
        if identity.authenticator not in keeping():
            return False
        return identity.expires_at is None or self._now() < identity.expires_at

    def _may_keep(self, identity: Identity, mailbox: str) -> bool:
        if not self._holds(identity):
            return False
        if self._relay.has_layer and not mailbox:
            self._relay.open_soon()
            return False
        return isinstance(identity.user, Model)

    def _keep(self, digest: bytes, identity: Identity, asked_at: float) -> None:
        now = self._clock()
        until = asked_at + mcp_settings.CREDENTIAL_CACHE_SECONDS
        if until <= now:
            return
        changeable = _changeable_in(identity.user)
        try:
            own = _with_own_user(identity, changeable)
        except Exception as error:
            # Such as a lock that the authenticator has put there.
            logger.debug("a user cannot be kept, because of %r", error)
            return
        for name in filter(_CACHE.fullmatch, list(vars(own.user))):
            delattr(own.user, name)
        self._drop(digest)
        self._kept[digest] = _Kept(own, until, changeable)
        self._digests[identity.owner].add(digest)
        oldest = next(iter(self._kept))
        while len(self._kept) > self._most or self._kept[oldest].until <= now:
            self._drop(oldest)
            oldest = next(iter(self._kept))

    def _drop(self, digest: bytes) -> None:
        kept = self._kept.pop(digest, None)
        if kept is None:
            return
        digests = self._digests[kept.identity.owner]
        digests.discard(digest)
        if not digests:
            del self._digests[kept.identity.owner]

    def _hear(self, told: JSONObject) -> None:
        self.forget(told["owner"])


def _digest_of(headers: Sequence[tuple[bytes, bytes]], path: str) -> bytes | None:
    """Give what stands for the credentials in a request; None if it has none."""
    names = kept_headers()
    found = [header for header in headers if header[0] in names]
    if not found:
        return None
    # Sites with a database for each host have other users there.
    found += [header for header in headers if header[0] in _HOSTS]
    seen = repr((path, found)).encode()
    return blake2b(seen, digest_size=32, key=_key_of_process).digest()


def _changeable_in(user: object) -> Sequence[str]:
    """Name what each request has to have of its own, as JSON of the row is."""
    return [
        name
        for name, value in vars(user).items()
        # Not `isinstance`, for which lazy objects are read.
        if not (issubclass(type(value), _UNCHANGEABLE) or name == "_state")
        and not _CACHE.fullmatch(name)
    ]


def _with_own_user(identity: Identity, changeable: Sequence[str]) -> Identity:
    """Give the identity with a copy of the row that its user is."""
    # On the hot path: `copy` pickles a row, and takes ten times as long.
    row: Any = identity.user
    user = object.__new__(type(row))
    own = vars(user)
    own.update(vars(row))
    own["_state"] = type(row._state)()
    user._state.db, user._state.adding = row._state.db, row._state.adding
    if changeable:
        values = {name: own[name] for name in changeable}
        own.update(deepcopy(values, {id(row): user}))
    return replace(identity, user=user)


# What changes credentials --------------------------------------------------------


def connect() -> None:
    """Begin to forget what changes; done once, when the app is ready."""
    credentials_changed.connect(_forget, dispatch_uid=__name__)
    try:
        user_model = get_user_model()
    except ImproperlyConfigured:  # the site has no users
        return
    for model in apps.get_models():
        if issubclass(model, user_model):  # proxies and children, too
            post_save.connect(_note_save, model, dispatch_uid=__name__)
            post_delete.connect(_note_deletion, model, dispatch_uid=__name__)


def _note_save(
    instance: Model,
    created: bool,
    using: str,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    # Django saves that alone with each login.
    if not created and set(update_fields or ()) != {"last_login"}:
        credentials_changed.send(type(instance), user_id=instance.pk, using=using)


def _note_deletion(instance: Model, using: str, **kwargs: Any) -> None:
    credentials_changed.send(type(instance), user_id=instance.pk, using=using)


def _forget(
    user_id: object = None, using: str = DEFAULT_DB_ALIAS, **kwargs: Any
) -> None:
    """Receive `credentials_changed`: forget what is kept of a user, in all workers."""
    if mcp_settings.CREDENTIAL_CACHE_SECONDS:
        owner = None if user_id is None else str(user_id)
        after_commit(partial(_forget_everywhere, owner), using)


def _forget_in(worker: Worker, owner: str | None) -> None:
    worker.part(KeptIdentities).forget(owner)


def _forget_everywhere(owner: str | None) -> None:
    try:
        for worker in workers_of_process():
            worker.call_soon(_forget_in, worker, owner)
        told = {"kind": _KIND, "owner": owner}
        lasts = mcp_settings.CREDENTIAL_CACHE_SECONDS
        tell_other_processes(told, (_KIND, owner), lasts=lasts)
    except Exception:
        # It must not keep the row from being saved, and counts soon all the same.
        logger.exception(
            "cannot tell that the credentials of a user changed, which "
            "counts in CREDENTIAL_CACHE_SECONDS; see the error"
        )
