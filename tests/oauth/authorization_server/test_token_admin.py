"""The admin pages of tokens, and of what has tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import path
from oauth2_provider.models import AccessToken, Application, RefreshToken

from mcp_django import Server
from mcp_django.oauth.authorization_server.application_admin import ApplicationAdmin
from mcp_django.oauth.authorization_server.token_admin import (
    AccessTokenAdmin,
    RefreshTokenAdmin,
)
from tests.oauth.authorization_server.programs import Program
from tests.oauth.authorization_server.programs import site as at_the_shop
from tests.oauth.urlconfs import root_urlconf


@pytest.fixture
def root(server: Server, user: User) -> Iterator[Client]:
    """Give the browser of an administrator, where a user's program has tokens."""
    with at_the_shop(server):
        program = Program.register()
        program.log_in(user)
        tokens = program.tokens()
        assert program.refresh(tokens["refresh_token"]).status_code == 200
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    site = AdminSite()
    site.register(User, UserAdmin)
    site.register(Application, ApplicationAdmin)
    site.register(AccessToken, AccessTokenAdmin)
    site.register(RefreshToken, RefreshTokenAdmin)
    with root_urlconf(path("admin/", site.urls)):
        yield browser


@pytest.mark.parametrize("by_action", [False, True])
@pytest.mark.parametrize("model", [User, Application])
def test_what_has_tokens_can_be_deleted(
    root: Client, user: User, model: Any, by_action: bool
) -> None:
    """Chosen: a user who once let a program in can leave the site."""
    row = user if model is User else Application.objects.get()
    listing = f"/admin/{model._meta.label_lower.replace('.', '/')}/"
    form = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    url = listing if by_action else f"{listing}{row.pk}/delete/"

    assert root.post(url, form).status_code == 302
    assert not model.objects.filter(pk=row.pk).exists()
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.exists()


def test_who_may_not_delete_tokens_deletes_no_user_who_has_some(
    root: Client, user: User
) -> None:
    """Chosen: Django's own rule for what goes along."""
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="delete_user"))
    root.force_login(clerk)

    assert (
        root.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code
        == 403
    )
    assert User.objects.filter(pk=user.pk).exists()


@pytest.mark.parametrize("model", [AccessToken, RefreshToken])
def test_tokens_themselves_are_revoked_and_not_deleted(
    root: Client, model: Any
) -> None:
    """Chosen, by the toolkit: what was used is known when it comes again."""
    listing = f"/admin/{model._meta.label_lower.replace('.', '/')}/"
    pk = model.objects.latest("pk").pk
    page: Any = root.get(listing)
    gone = root.post(f"{listing}{pk}/delete/", {"post": "yes"})
    assert "revoke_tokens" in page.content.decode()
    assert "delete_selected" not in page.content.decode()
    assert gone.status_code == 403
    assert model.objects.filter(pk=pk).exists()
