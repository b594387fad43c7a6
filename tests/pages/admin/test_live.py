"""The admin page of what is open in all workers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

pytestmark = pytest.mark.django_db

PAGE = "/admin/mcp_pages/live/"


def staff_with(*permissions: str) -> Client:
    """Log in a user of the admin who has permissions of the pages."""
    user = User.objects.create_user("olga", password="olga", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="mcp_pages", codename__in=permissions
        )
    )
    client = Client()
    client.force_login(user)
    return client


def test_live_is_for_users_with_its_permission() -> None:
    """Chosen: who is open where is nothing for all of the staff."""
    assert Client().get(PAGE).status_code == 302
    client = staff_with()
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


def test_live_is_found_in_the_index() -> None:
    """Chosen: it stands among the models, as pages of the admin do."""
    client = staff_with("view_live")

    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    assert client.get(PAGE).status_code == 200
