"""Members log in by e-mail address and are counted by UUID."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class MemberManager(BaseUserManager["Member"]):
    """Members by their natural key."""


class Member(AbstractBaseUser):
    """A user without permissions and without a field `is_active`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)

    objects = MemberManager()

    USERNAME_FIELD = "email"

    class Meta:
        app_label = "members"

    def __str__(self) -> str:
        return self.email
