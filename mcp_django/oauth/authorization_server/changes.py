"""Tells what keeps credentials of tokens that end before their time."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from oauth2_provider.models import get_access_token_model

from mcp_django.signals import credentials_changed


def connect() -> None:
    """Begin to tell; done once, when the app is ready.

    Access tokens end by being deleted: by the revocation endpoint, the user, the
    admin, or the end of their application.
    """
    model = get_access_token_model()
    post_delete.connect(_tell_of_end, model, dispatch_uid=__name__)


def _tell_of_end(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    if instance.user_id is not None:
        credentials_changed.send(sender, user_id=instance.user_id, using=using)
