"""`python -m mcp_django stdio`: the same as `manage.py mcp_stdio`, without a manage.py.

`python -m mcp_django doctor URL` is `manage.py mcp_doctor URL`, and needs no project.

For `stdio`, standard output is taken before settings and apps are imported, so that
whatever they print cannot spoil the messages. `DJANGO_SETTINGS_MODULE` or `--settings`
has to name the settings, except with `--connect`, which needs no project.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandParser, handle_default_options
from django.utils.module_loading import import_string

from mcp_django.transports.server.stdio import claim_stdout

_COMMANDS = "mcp_django.management.commands"
_SETTINGS = "DJANGO_SETTINGS_MODULE"
_USAGE = """\
usage: python -m mcp_django stdio [--server NAME] [--user NAME] [--trace FILE]
       python -m mcp_django stdio --connect URL [--trace FILE]
       python -m mcp_django doctor URL [--token] [--register] [--json]
       python -m mcp_django stdio --help"""


def main(arguments: Sequence[str]) -> None:
    """Run a command of mcp_django by its short name.

    Args:
        arguments: Such as `["stdio", "--user", "reader"]`.
    """
    match arguments:
        case ["stdio", *options]:
            # What is imported stays; looking for garbage in it takes a tenth of the
            # start. The command turns this on again.
            gc.disable()
            wants_help = not {"-h", "--help"}.isdisjoint(options)
            if not wants_help:
                claim_stdout()
            sys.path.insert(0, "")  # as manage.py has it
            _set_up(options, needs_project=not wants_help)
            _run("stdio", options)
        case ["doctor", *options]:
            _set_up(options, needs_project=False)
            _run("doctor", options)
        case ["-h" | "--help", *_]:
            sys.stdout.write(f"{_USAGE}\n")
        case _:
            sys.exit(_USAGE)


def _run(name: str, options: Sequence[str]) -> None:
    # Imported late, because it needs the app registry.
    command: BaseCommand = import_string(f"{_COMMANDS}.mcp_{name}.Command")()
    command.run_from_argv(["python -m mcp_django", name, *options])


def _set_up(options: Sequence[str], *, needs_project: bool) -> None:
    """Set Django up: with the project's settings, or with little where that will do.

    Raises:
        SystemExit: The settings are needed, and missing or wrong.
    """
    parser = CommandParser(add_help=False, allow_abbrev=False)
    for option in ("--settings", "--pythonpath", "--connect"):
        # Without its value it is refused later, with the usage.
        parser.add_argument(option, nargs="?", const="")
    given, _ = parser.parse_known_args(options)
    handle_default_options(given)
    is_set = _SETTINGS in os.environ
    if not needs_project or (not is_set and given.connect is not None):
        settings.configure(
            INSTALLED_APPS=[
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "mcp_django",
            ],
            USE_TZ=True,
        )
    elif not is_set:
        sys.exit(
            f"{_SETTINGS} is not set; name the settings of the project in it, or with "
            "--settings, such as mysite.settings"
        )
    try:
        django.setup()
    except (ImportError, ImproperlyConfigured) as error:
        sys.exit(
            f"cannot set Django up with the settings {os.environ.get(_SETTINGS)!r}: "
            f"{error}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
