"""`manage.py mcp_token`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from mcp_django.tokens.models import Token

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def mcp_token(*arguments: str) -> list[str]:
    """Run the command, and return the lines it writes."""
    stdout = StringIO()
    call_command("mcp_token", *arguments, stdout=stdout)
    return stdout.getvalue().splitlines()


def assert_refused(*arguments: str, saying: str) -> None:
    with pytest.raises(CommandError) as caught:
        mcp_token(*arguments)
    assert saying in str(caught.value)


def test_created_token_stands_alone_on_the_last_line(ada: User) -> None:
    """Chosen: `manage.py mcp_token create ... | tail -1` gives it to a script."""
    lines = mcp_token("create", "ada", "--name", "Laptop")
    token = Token.objects.get()
    assert (token.user, token.name, token.expires_at) == (ada, "Laptop", None)
    assert Token.objects.with_text(lines[-1]).get() == token
    assert lines[:-1] == [
        f"Token {token.pk} (Laptop) lets its holder act as ada; it never expires.",
        "Copy it now, it is shown this once:",
    ]


def test_created_token_may_get_an_end(ada: User) -> None:
    """Chosen: whole days from now."""
    before = timezone.now()
    lines = mcp_token("create", "ada", "--name", "Laptop", "--expires-in", "30")
    expires_at = Token.objects.get().expires_at
    assert expires_at is not None
    assert timedelta() <= expires_at - before - timedelta(days=30) < timedelta(hours=1)
    until = timezone.localtime(expires_at)
    assert f"it expires {until:%Y-%m-%d %H:%M}." in lines[0]


def test_created_token_may_be_narrow(ada: User) -> None:
    """Chosen: the least that a careful person wants to give a program."""
    arguments = ("--name", "Laptop", "--scope", "mcp:write", "--scope=mcp:read")
    lines = mcp_token("create", "ada", *arguments)
    token = Token.objects.get()
    assert token.scopes == frozenset({"mcp:read", "mcp:write"})
    assert lines[0] == (
        f"Token {token.pk} (Laptop) lets its holder act as ada within mcp:read "
        "mcp:write; it never expires."
    )


@pytest.mark.parametrize("scope", ["mcp:raed", "", "mcp:read mcp:write"])
def test_scope_of_no_server_is_refused(scope: str, ada: User) -> None:
    """Chosen: such a token would open nothing."""
    assert_refused(
        "create",
        "ada",
        "--name=Laptop",
        f"--scope={scope}",
        saying=f"--scope {scope!r}: no server has such a scope; there are mcp:read",
    )
    assert not Token.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "36501", "²", ""])
def test_senseless_end_is_refused(days: str, ada: User) -> None:
    """Chosen: a text that says what would be right."""
    assert_refused(
        "create",
        "ada",
        "--name=Laptop",
        f"--expires-in={days}",
        saying=f"{days!r} is no whole number of days from 1 to 36500",
    )


def test_unknown_user_is_refused() -> None:
    """Chosen: a text that says what would be right."""
    for arguments in (("create", "bob", "--name", "x"), ("list", "--user", "bob")):
        assert_refused(
            *arguments, saying="there is no user with username 'bob'; give an existing"
        )


def test_inactive_user_is_refused(ada: User) -> None:
    """Chosen: the token would be refused at every use."""
    User.objects.update(is_active=False)
    assert_refused(
        "create", "ada", "--name", "x", saying="user 'ada' is inactive, so no token"
    )
    assert not Token.objects.exists()


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_senseless_name_is_refused(name: str, ada: User) -> None:
    """Chosen: also where the database would cut it."""
    assert_refused("create", "ada", f"--name={name}", saying=f"--name {name!r} will")
    assert not Token.objects.exists()


def test_list_is_a_table_without_the_texts(ada: User) -> None:
    """Chosen: all that is known of each token, the newest first."""
    created = timezone.now().replace(year=2020, month=1, day=2, hour=3, minute=4)
    first, _ = Token.issue(ada, "Laptop")
    Token.objects.update(hint="abcd", created_at=created, last_used_at=created)
    second, _ = Token.issue(User.objects.create_user("grace"), "Line\nbreak", created)
    Token.objects.filter(pk=second.pk).update(
        hint="-_9Z", created_at=created + timedelta(minutes=1)
    )
    day = timezone.localtime(created)
    at, later = (f"{day + timedelta(minutes=m):%Y-%m-%d %H:%M}" for m in (0, 1))
    Token.objects.filter(pk=second.pk).update(scope="a mcp:read")
    head = "ID  USER   NAME        HINT  STATE    CREATED"
    end = "LAST USED         ALLOWS"
    none = "-" + " " * 15
    assert mcp_token("list") == [
        f"{head}           EXPIRES           {end}",
        f"{second.pk:<2}  grace  Line?break  -_9Z  expired  {later}  {at}  {none}  "
        "a mcp:read",
        f"{first.pk:<2}  ada    Laptop      abcd  usable   {at}  {none}  {at}  "
        "everything",
    ]
    assert [line.split()[1] for line in mcp_token("list", "--user", "ada")] == [
        "USER",
        "ada",
    ]


def test_empty_list_says_so(ada: User) -> None:
    """Chosen: a head without a table looks like a mistake."""
    assert mcp_token("list") == ["There are no tokens."]
    assert mcp_token("list", "--user", "ada") == ["There are no tokens."]


def test_tokens_are_revoked_by_id_and_hint(ada: User) -> None:
    """Chosen: what `list` shows can be pasted."""
    first, second = Token.issue(ada, "a")[0], Token.issue(ada, "b")[0]
    Token.objects.filter(pk=second.pk).update(hint="abcd")
    assert mcp_token("revoke", str(first.pk), "abcd", str(second.pk)) == [
        f"Revoked token {first.pk} (a).",
        f"Revoked token {second.pk} (b).",
    ]
    assert not Token.objects.filter(revoked_at=None).exists()


def test_revoked_token_stays_revoked(ada: User) -> None:
    """Chosen: to revoke twice is no error."""
    token, _ = Token.issue(ada, "a")
    token.revoke()
    assert token.revoked_at is not None
    revoked_at = timezone.localtime(token.revoked_at)
    assert mcp_token("revoke", str(token.pk)) == [
        f"Token {token.pk} (a) was revoked already, {revoked_at:%Y-%m-%d %H:%M}."
    ]


@pytest.mark.parametrize(
    ("name", "kind"), [("99", "id"), ("9" * 25, "id"), ("wxyz", "hint"), ("", "hint")]
)
def test_nothing_is_revoked_if_one_is_unknown(name: str, kind: str, ada: User) -> None:
    """Chosen: a typing error shall not be found out half-way."""
    token, _ = Token.issue(ada, "a")
    Token.objects.update(hint="abcd")
    assert_refused(
        "revoke",
        str(token.pk),
        name,
        saying=f"no token has the {kind} {name!r}; `mcp_token list` shows",
    )
    assert Token.objects.get().revoked_at is None


def test_shared_hint_is_refused(ada: User) -> None:
    """Chosen: the ids tell the tokens apart."""
    first, second = Token.issue(ada, "a")[0], Token.issue(ada, "b")[0]
    Token.objects.update(hint="abcd")
    assert_refused(
        "revoke",
        "abcd",
        saying=f"the tokens with the ids {second.pk}, {first.pk} share the hint 'abcd'",
    )


def test_subcommand_is_required() -> None:
    """Chosen: as usual for commands with subcommands."""
    assert_refused(saying="the following arguments are required: command")
