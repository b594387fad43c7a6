"""`manage.py mcp_accounts`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from mcp_django.accounts.encryption import is_current
from mcp_django.accounts.models import Account

pytestmark = pytest.mark.django_db

URL = "https://warehouse.example/mcp"


def add(name: str) -> Account:
    """Add the account of a new user."""
    user = User.objects.create_user(name)
    sealed = Account.seal({"of": name}, user.pk, URL)
    return Account.objects.create(user=user, server_url=URL, sealed=sealed)


def mcp_accounts(*arguments: str) -> list[str]:
    """Run the command, and give the lines that it writes."""
    stdout = StringIO()
    call_command("mcp_accounts", *arguments, stdout=stdout, stderr=stdout)
    return stdout.getvalue().splitlines()


def test_accounts_are_encrypted_anew_and_the_old_key_may_go(settings: Settings) -> None:
    """We promise it: the documented way of a change of keys."""
    settings.SECRET_KEY = "old"
    add("ada")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    add("bob")

    assert mcp_accounts("reencrypt") == ["Encrypted 1 anew; 1 were so already."]
    assert mcp_accounts("reencrypt") == ["Encrypted 0 anew; 2 were so already."]

    settings.SECRET_KEY_FALLBACKS = []
    for account in Account.objects.select_related("user"):
        assert is_current(account.sealed)
        assert account.unseal() == {"of": account.user.get_username()}


def test_what_no_key_can_read_is_told_and_kept(settings: Settings) -> None:
    """Chosen: the key may still be found."""
    settings.SECRET_KEY = "lost"
    sealed = add("ada").sealed
    settings.SECRET_KEY = "new"

    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS"):
        mcp_accounts("reencrypt")

    assert Account.objects.get().sealed == sealed


def test_what_no_key_can_read_is_deleted_on_demand(settings: Settings) -> None:
    """Chosen: then its users connect again."""
    settings.SECRET_KEY = "lost"
    add("ada")
    settings.SECRET_KEY = "new"
    add("bob")

    lines = mcp_accounts("reencrypt", "--delete-unreadable")

    assert lines[-1] == "Deleted 1 that no key can read."
    assert Account.objects.get().user.get_username() == "bob"


def test_list_counts_by_server_and_key(settings: Settings) -> None:
    """Chosen: it says whether a key may go, and nothing secret."""
    settings.SECRET_KEY = "lost"
    add("ada")
    settings.SECRET_KEY = "old"
    add("bob")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    add("carol")

    states = ["current key", "fallback key", "unreadable"]
    assert mcp_accounts("list") == [f"     1  {state:12}  {URL}" for state in states]


def test_no_accounts_are_told(settings: Settings) -> None:
    """Chosen: an empty list looks like a failure."""
    assert mcp_accounts("list") == ["There are no accounts."]
    assert mcp_accounts("reencrypt") == ["Encrypted 0 anew; 0 were so already."]
