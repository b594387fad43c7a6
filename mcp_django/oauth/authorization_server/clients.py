"""The rows of clients that came by themselves: made, counted and forgotten.

Public clients that say the same of themselves are one client, as all installations of a
program are where its client id is the URL of a document. So the thousands of users of a
hosted client make one row, and a client that was forgotten is there again, under the
same id, when the next one registers.

Spec: RFC 7591, section 3.2.1, on issuing the same identifier to multiple instances.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.contrib.auth.hashers import (
    PBKDF2PasswordHasher,
    get_hashers_by_algorithm,
    make_password,
)
from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from oauth2_provider.generators import generate_client_id, generate_client_secret
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from mcp_django.oauth.authorization_server.client_metadata import (
    ClientMetadata,
    ClientRefused,
)
from mcp_django.oauth.authorization_server.policies import ClientPolicy
from mcp_django.oauth.models import Consent

_BATCH: Final = 500

# Making ---------------------------------------------------------------------------


def shared_client_id(metadata: ClientMetadata) -> str:
    """Give the id of the public clients that say the same of themselves."""
    said = json.dumps([metadata.name, sorted(_stored_uris(metadata))])
    digest = salted_hmac("mcp_django.oauth.clients", said, algorithm="sha256")
    return digest.hexdigest()[:40]


def find_client(metadata: ClientMetadata) -> Any | None:
    """Find the public client that says the same of itself.

    Returns:
        Its row; None if there is none, or an administrator has changed it.
    """
    client = (
        get_application_model()
        .objects.filter(client_id=shared_client_id(metadata))
        .first()
    )
    if client is None:
        return None
    fields = _fields(metadata, hash_client_secret=False)
    is_same = all(getattr(client, name) == value for name, value in fields.items())
    return client if is_same and not client.skip_authorization else None


def make_public_client(metadata: ClientMetadata) -> tuple[Any, bool]:
    """Make the row of a public client, or find it where another process was faster.

    Returns:
        The row, and whether it is new.
    """
    clients = get_application_model().objects
    # There is none to hash, which would take as long as for a password.
    fields = _fields(metadata, client_secret="", hash_client_secret=False)
    shared = shared_client_id(metadata)
    client, is_new = clients.get_or_create(client_id=shared, defaults=fields)
    if not is_new and find_client(metadata) is None:
        return clients.create(client_id=generate_client_id(), **fields), True
    return client, is_new


def make_confidential_client(metadata: ClientMetadata) -> tuple[Any, str]:
    """Make the row of a client with a secret.

    Returns:
        The row, and the secret in plain text, which is kept nowhere.
    """
    secret: str = generate_client_secret()
    client = get_application_model().objects.create(
        client_id=generate_client_id(),
        **_fields(metadata, client_secret=_hash_secret(secret)),
    )
    return client, secret


def _fields(metadata: ClientMetadata, **more: Any) -> dict[str, Any]:
    Application = get_application_model()
    is_public = metadata.auth_method == "none"
    return {
        "name": metadata.name,
        "redirect_uris": " ".join(_stored_uris(metadata)),
        "client_type": Application.CLIENT_PUBLIC
        if is_public
        else Application.CLIENT_CONFIDENTIAL,
        "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
        "registration_source": Application.RegistrationSource.DCR,
        **more,
    }


def _stored_uris(metadata: ClientMetadata) -> Iterable[str]:
    return dict.fromkeys(uri.canonical for uri in metadata.redirect_uris)


class _OneRound(PBKDF2PasswordHasher):
    """Hashes what is as long and as random as a key, so that no guess ever hits."""

    iterations = 1


def _hash_secret(secret: str) -> str:
    """Hash a client's secret, fast where the project's hashers can then check it."""
    if _OneRound.algorithm in get_hashers_by_algorithm():
        return make_password(secret, hasher=_OneRound())
    return make_password(secret)


# Counting and forgetting ----------------------------------------------------------


def self_registered() -> QuerySet[Any]:
    """Give the clients that came by themselves."""
    Application = get_application_model()
    sources = Application.RegistrationSource
    clients: QuerySet[Any] = Application.objects.filter(
        registration_source__in=[sources.DCR, sources.CIMD]
    )
    return clients


def unused() -> QuerySet[Any]:
    """Give those that no user has let in: they have no token, code or consent."""
    clients = self_registered()
    for model in (
        get_access_token_model(),
        get_refresh_token_model(),
        get_id_token_model(),
        get_grant_model(),
    ):
        of_client = model.objects.filter(application_id=OuterRef("pk"))
        clients = clients.exclude(Exists(of_client))
    for model in (get_device_grant_model(), Consent):
        of_client = model.objects.filter(client_id=OuterRef("client_id"))
        clients = clients.exclude(Exists(of_client))
    return clients


def forget(
    clients: QuerySet[Any], track: Callable[[Sequence[int]], Iterable[int]] = iter
) -> int:
    """Delete those of some clients that are unused now.

    A token that is made meanwhile either counts, or finds its client gone.

    Args:
        clients: Which of them.
        track: Iterates over the first positions of batches, and may show how far it is.

    Returns:
        How many they were.
    """
    forgotten = 0
    ids = list(clients.values_list("pk", flat=True))
    using = router.db_for_write(clients.model)
    for start in track(range(0, len(ids), _BATCH)):
        with transaction.atomic(using=using):
            of_batch = clients.model.objects.filter(pk__in=ids[start : start + _BATCH])
            locked = (
                of_batch.select_for_update().order_by("pk").values_list("pk", flat=True)
            )
            # Locked first, in one order for all: what refers to them after that waits.
            pks = list(
                unused().filter(pk__in=list(locked)).values_list("pk", flat=True)
            )
            clients.model.objects.filter(pk__in=pks).delete()
            forgotten += len(pks)
    return forgotten


def make_room(policy: ClientPolicy) -> None:
    """Forget the oldest unused clients, so that one more may come.

    Raises:
        ClientRefused: There are too many that are too young to be forgotten.
    """
    excess = _count_unused(policy.max_unused_clients) - policy.max_unused_clients + 1
    if excess <= 0:
        return
    now = timezone.now()
    least = datetime.timedelta(seconds=policy.unused_client_seconds)
    oldest = unused().order_by("created", "pk")
    if forget(oldest.filter(created__lt=now - least)[:excess]) >= excess:
        return
    first = oldest.first()
    wait = least if first is None else first.created + least - now
    raise _no_room(wait)


def undo_if_too_many(policy: ClientPolicy, client: Any) -> None:
    """Take a new client back that came at the same time as others, by other processes.

    Each of them looks after its own row is there for all to see, so that in the end
    there are never too many.

    Raises:
        ClientRefused: It was taken back.
    """
    if _count_unused(policy.max_unused_clients) > policy.max_unused_clients:
        client.delete()
        raise _no_room(datetime.timedelta(seconds=1))


def _count_unused(most: int) -> int:
    """Count unused clients; where there are few of all, those, which is faster."""
    count = self_registered().count()
    return count if count < most else unused().count()


def _no_room(wait: datetime.timedelta) -> ClientRefused:
    return ClientRefused(
        "too many programs have registered in the last time; try again later",
        error="temporarily_unavailable",
        status=429,
        retry_after=max(1, round(wait.total_seconds())),
    )
