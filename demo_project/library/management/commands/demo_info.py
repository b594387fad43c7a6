"""`manage.py demo_info`: how to visit the demo, and how to connect an MCP client."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from mcp_django.bulkheads.missing_migrations import needing_database
from mcp_django.tokens.models import Token

INFO = """\
The library is open. See it in your browser:

  {site}/mcp            what an assistant may do here
  {site}/mcp/connect/   how to connect yours
  {site}/mcp/console/   try it out, as admin

  Site    {site}/
  Admin   {site}/admin/
  MCP     {site}/mcp
          {site}/mcp/sse for clients that know HTTP+SSE only

  Log in as reader (password: reader), or as admin (password: admin).
  These passwords are public: for your own machine only.

Connect an MCP client that knows OAuth, such as Claude Code, VS Code or Cursor. It needs
the URL and nothing else, and has you log in and allow it in your browser:

{log_in}

What you allowed is at {site}/mcp/programs/.

Other clients, such as codex or cursor, in this folder:

{python} manage.py mcp_config --client codex --url {site}/mcp

Or connect one as reader by a token, with one of these.

Claude Code, in a terminal:

{claude_code}

VS Code, in .vscode/mcp.json:

{vs_code}

A client that knows HTTP+SSE only: the same with sse in place of http, and /mcp/sse in
place of /mcp.

Clients that start the server themselves, over stdio:

{stdio}

The token of reader, for anything else that connects over HTTP or WebSocket:

{token}
"""


class Command(BaseCommand):
    """Print addresses, logins, a token, and configurations to paste."""

    help = "Prints how to visit the demo and how to connect MCP clients to it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--port`."""
        parser.add_argument(
            "--port", type=int, default=8000, help="Where Daphne listens."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it all.

        Raises:
            CommandError: The demo has not been set up.
        """
        site = f"http://127.0.0.1:{options['port']}"
        with needing_database():
            token = read_token()
        authorization = f"Authorization: Bearer {token}"
        vs_code = {
            "servers": {
                "library": {
                    "type": "http",
                    "url": f"{site}/mcp",
                    "headers": {"Authorization": f"Bearer {token}"},
                }
            }
        }
        self.stdout.write(
            INFO.format(
                site=site,
                python=shlex.quote(sys.executable),
                log_in=f"claude mcp add --transport http library {site}/mcp",
                claude_code=(
                    f"claude mcp add --transport http library {site}/mcp "
                    f'--header "{authorization}"'
                ),
                vs_code=json.dumps(vs_code, indent=2),
                stdio=json.dumps(describe_stdio(), indent=2),
                token=token,
            )
        )


def read_token() -> str:
    """Return the token of `reader`: the one kept beside the database, or a new one."""
    file = settings.DATABASE.with_name(f"{settings.DATABASE.name}-token")
    reader = User.objects.filter(username="reader").first()
    if reader is None:
        raise CommandError("there is no user 'reader'; run seed_demo first")
    usable = Token.objects.usable(timezone.now()).filter(user=reader)
    if file.exists() and usable.with_text(text := file.read_text()).exists():
        return text
    _, text = Token.issue(reader, "Demo")
    # Readable by its owner alone, and so before the token is in it.
    file.touch(mode=0o600)
    file.write_text(text)
    return text


def describe_stdio() -> dict[str, Any]:
    """Describe how a client starts the server, wherever the client itself runs."""
    environment = {}
    if "DEMO_DATABASE" in os.environ:
        environment["DEMO_DATABASE"] = str(Path(settings.DATABASE).resolve())
    if settings.REDIS_URL:
        environment["REDIS_URL"] = settings.REDIS_URL
    manage = str(settings.BASE_DIR / "manage.py")
    library: dict[str, Any] = {
        "command": sys.executable,
        "args": [manage, "mcp_stdio", "--user", "reader"],
    }
    if environment:
        library["env"] = environment
    return {"mcpServers": {"library": library}}
