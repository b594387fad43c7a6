"""`python -m mcp_django stdio`: the same as `manage.py mcp_stdio`, without a manage.py.

Standard output is taken before settings and apps are imported, so that whatever they
print cannot spoil the messages. `DJANGO_SETTINGS_MODULE` has to be set, except with
`--connect`, which needs no project.
"""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line

from mcp_django.transports.stdio import claim_stdout


def main(arguments: list[str]) -> None:
    """Run a command of mcp_django by its short name.

    Args:
        arguments: Such as `["stdio", "--user", "reader"]`.
    """
    match arguments:
        case ["stdio", *options]:
            claim_stdout()
            if "DJANGO_SETTINGS_MODULE" not in os.environ:
                _do_without_settings(options)
            sys.path.insert(0, "")  # as manage.py has it
            execute_from_command_line(["python -m mcp_django", "mcp_stdio", *options])
        case _:
            sys.exit(
                "usage: python -m mcp_django stdio [--server NAME] [--user NAME]\n"
                "       python -m mcp_django stdio --connect URL"
            )


def _do_without_settings(options: list[str]) -> None:
    """Configure the little that a bridge needs, or say what is missing."""
    if not any(option.partition("=")[0] == "--connect" for option in options):
        sys.exit(
            "DJANGO_SETTINGS_MODULE is not set; name the settings of the project, such "
            "as mysite.settings"
        )
    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "mcp_django",
        ],
        USE_TZ=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
