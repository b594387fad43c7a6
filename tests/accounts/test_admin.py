"""Accounts in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from mcp_django.accounts.models import Account

pytestmark = pytest.mark.django_db

LIST = "/admin/mcp_accounts/account/"


@pytest.fixture
def account(settings: Settings) -> Account:
    settings.ROOT_URLCONF = "tests.accounts.urls"
    user = User.objects.create_user("ada")
    url = "https://warehouse.example/mcp"
    sealed = Account.seal({"access_token": "s3cret"}, user.pk, url)
    return Account.objects.create(user=user, server_url=url, sealed=sealed)


@pytest.fixture
def browser() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


def test_admin_shows_accounts_and_no_secret(account: Account, browser: Client) -> None:
    """Chosen: neither tokens, nor what they are encrypted to."""
    for path in (LIST, f"{LIST}{account.pk}/change/"):
        page = browser.get(path).content.decode()
        assert account.server_url in page
        assert "encrypted with SECRET_KEY" in page
        assert "s3cret" not in page
        assert account.sealed not in page


def test_admin_says_what_cannot_be_read(
    account: Account, browser: Client, settings: Settings
) -> None:
    """Chosen: the operator sees who has to connect again."""
    Account.objects.update(sealed="1.00000000.")

    assert "has to connect again" in browser.get(LIST).content.decode()


def test_admin_changes_no_account(account: Account, browser: Client) -> None:
    """Chosen: what is in one comes of its user's consent elsewhere."""
    assert browser.get(f"{LIST}add/").status_code == 403
    browser.post(f"{LIST}{account.pk}/change/", {"server_url": "https://evil.example"})
    account.refresh_from_db()
    assert account.server_url == "https://warehouse.example/mcp"


def test_admin_deletes_accounts(account: Account, browser: Client) -> None:
    """Chosen: an operator may end what a user has left behind."""
    browser.post(f"{LIST}{account.pk}/delete/", {"post": "yes"})

    assert not Account.objects.exists()
