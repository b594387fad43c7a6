"""Staff who look at the pages in the admin."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User


def make_staff(*permissions: str) -> User:
    """Make a user of the admin who has some permissions, by their code names."""
    user = User.objects.create_user("olga", is_staff=True)
    found = Permission.objects.filter(codename__in=permissions)
    assert len(found) == len(permissions), permissions
    user.user_permissions.set(found)
    return user
