"""`python -m mcp_django stdio`: the same as `manage.py mcp_stdio`, without a manage.py.

Standard output is taken before settings and apps are imported, so that whatever they
print cannot spoil the messages. `DJANGO_SETTINGS_MODULE` has to be set.
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from mcp_django.transports.stdio import claim_stdout


def main(arguments: list[str]) -> None:
    """Run a command of mcp_django by its short name.

    Args:
        arguments: Such as `["stdio", "--user", "reader"]`.
    """
    match arguments:
        case ["stdio", *options]:
            if "DJANGO_SETTINGS_MODULE" not in os.environ:
                sys.exit(
                    "DJANGO_SETTINGS_MODULE is not set; name the settings of the "
                    "project, such as mysite.settings"
                )
            claim_stdout()
            sys.path.insert(0, "")  # as manage.py has it
            execute_from_command_line(["python -m mcp_django", "mcp_stdio", *options])
        case _:
            sys.exit("usage: python -m mcp_django stdio [--server NAME] [--user NAME]")


if __name__ == "__main__":
    main(sys.argv[1:])
