"""`manage.py mcp_token`: issue, list and revoke bearer tokens."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.terminal import aligned
from mcp_django.tokens.models import Token
from mcp_django.tokens.scopes import known_scopes

MAX_DAYS = 36_500

COLUMNS = (
    "ID",
    "USER",
    "NAME",
    "HINT",
    "STATE",
    "CREATED",
    "EXPIRES",
    "LAST USED",
    "ALLOWS",
)


class Command(BaseCommand):
    """Issue, list and revoke the tokens by which programs act as users."""

    help = "Issue, list and revoke the tokens by which programs act as users."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the three subcommands."""
        commands = parser.add_subparsers(dest="command", required=True)

        create = commands.add_parser("create", help="issue a token")
        create.add_argument("username", metavar="USERNAME")
        create.add_argument(
            "--name",
            required=True,
            metavar="TEXT",
            help='what the token is for, such as "Laptop"',
        )
        create.add_argument(
            "--expires-in",
            type=_days,
            metavar="DAYS",
            help="days until it expires; without it the token never does",
        )
        create.add_argument(
            "--scope",
            action="append",
            metavar="SCOPE",
            help="what it allows of what the user may do, such as mcp:read; may be "
            "given several times; without it the token allows everything",
        )

        show = commands.add_parser("list", help="show tokens, without their texts")
        show.add_argument(
            "--user", metavar="USERNAME", help="only the tokens of this user"
        )

        revoke = commands.add_parser("revoke", help="make tokens useless at once")
        revoke.add_argument(
            "tokens",
            nargs="+",
            metavar="ID_OR_HINT",
            help="a token's id, or its hint unless that is shared or all digits",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one subcommand.

        Raises:
            CommandError: It cannot be done.
        """
        with needing_database():
            self._run(options)

    def _run(self, options: Mapping[str, Any]) -> None:
        match options["command"]:
            case "create":
                self.create(
                    options["username"],
                    name=options["name"],
                    expires_in=options["expires_in"],
                    scopes=options["scope"],
                )
            case "list":
                self.list(username=options["user"])
            case "revoke":
                self.revoke(options["tokens"])

    def create(
        self,
        username: str,
        *,
        name: str,
        expires_in: int | None,
        scopes: Sequence[str] | None = None,
    ) -> None:
        """Issue a token; the last line written is its text alone."""
        _check_scopes(scopes or ())
        user = _get_user(username)
        if not getattr(user, "is_active", True):
            raise CommandError(
                f"user {username!r} is inactive, so no token would be accepted; "
                "activate the user first"
            )
        try:
            name = Token._meta.get_field("name").clean(name, None)
        except ValidationError as error:
            raise CommandError(
                f"--name {name!r} will not do: {' '.join(error.messages)}"
            ) from error
        expires_at = None
        if expires_in is not None:
            expires_at = timezone.now() + timedelta(days=expires_in)

        token, text = Token.issue(user, name, expires_at, scopes=scopes)
        end = "never expires" if expires_at is None else f"expires {_time(expires_at)}"
        within = "" if scopes is None else f" within {token.scope}"
        self.stdout.write(
            f"Token {token.pk} ({name}) lets its holder act as {user}{within}; "
            f"it {end}.\nCopy it now, it is shown this once:"
        )
        self.stdout.write(text)

    def list(self, *, username: str | None) -> None:
        """Write a table of tokens, the newest first."""
        tokens = Token.objects.select_related("user")
        if username is not None:
            tokens = tokens.filter(user=_get_user(username).pk)
        now = timezone.now()
        rows = [
            (
                str(token.pk),
                token.user.get_username(),
                token.name,
                token.hint,
                token.state_at(now).value,
                _time(token.created_at),
                _time(token.expires_at),
                _time(token.last_used_at),
                _allows(token),
            )
            for token in tokens
        ]
        if not rows:
            self.stdout.write("There are no tokens.")
            return
        self.stdout.write("\n".join(aligned([COLUMNS, *rows])))

    def revoke(self, names: Sequence[str]) -> None:
        """Revoke all the tokens named, or none if one of them is not found."""
        with transaction.atomic():
            tokens = dict.fromkeys(_get_token(name) for name in names)
            for token in tokens:
                if token.revoked_at is None:
                    token.revoke()
                    self.stdout.write(f"Revoked token {token.pk} ({token.name}).")
                else:
                    self.stdout.write(
                        f"Token {token.pk} ({token.name}) was revoked already, "
                        f"{_time(token.revoked_at)}."
                    )


def _days(text: str) -> int:
    """Parse the value of --expires-in."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DAYS):
        raise ArgumentTypeError(
            f"{text!r} is no whole number of days from 1 to {MAX_DAYS}"
        )
    return int(text)


def _check_scopes(scopes: Sequence[str]) -> None:
    """Refuse scopes that no server of the project has.

    Raises:
        CommandError: There is one.
    """
    known = known_scopes()
    for scope in scopes:
        if scope not in known:
            raise CommandError(
                f"--scope {scope!r}: no server has such a scope; there are "
                f"{', '.join(known)}; give --scope once for each"
            )


def _get_user(username: str) -> AbstractBaseUser:
    """Find a user by what they log in with.

    Raises:
        CommandError: There is none.
    """
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(username)
    except model.DoesNotExist as error:
        raise CommandError(
            f"there is no user with {model.USERNAME_FIELD} {username!r}; "
            "give an existing one or make it with createsuperuser or in the admin"
        ) from error


def _get_token(name: str) -> Token:
    """Find a token by its id (what is all digits is taken for one) or its hint.

    Raises:
        CommandError: There is none, or the name fits several.
    """
    is_id = name.isascii() and name.isdigit()
    found = Token.objects.filter(pk=name) if is_id else Token.objects.filter(hint=name)
    match list(found):
        case [token]:
            return token
        case []:
            kind = "id" if is_id else "hint"
            raise CommandError(
                f"no token has the {kind} {name!r}; "
                "`mcp_token list` shows the ids and hints there are"
            )
        case tokens:
            ids = ", ".join(str(token.pk) for token in tokens)
            raise CommandError(
                f"the tokens with the ids {ids} share the hint {name!r}; "
                "give the id of the one you mean"
            )


def _allows(token: Token) -> str:
    """Name what a token allows."""
    return "everything" if token.scope is None else token.scope or "nothing"


def _time(moment: datetime | None) -> str:
    """Write a moment for people, in the current time zone; "-" for none."""
    if moment is None:
        return "-"
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    return f"{moment:%Y-%m-%d %H:%M}"
