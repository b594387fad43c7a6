"""`manage.py mcp_call`: call a tool of any server, from the shell."""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import anyio
from anyio.abc import TaskGroup
from django.core.management.base import BaseCommand, CommandError, CommandParser
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    LoggingMessageNotificationParams,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

from mcp_django.auth.interface import User
from mcp_django.client.connecting import Target
from mcp_django.client.sync import SyncClient
from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    LoginRequired,
    MCPError,
    ToolError,
)
from mcp_django.management.arguments import read_arguments
from mcp_django.management.commands.mcp_stdio import find_user
from mcp_django.management.forms import Form
from mcp_django.management.remote import (
    add_login_arguments,
    check_login_options,
    check_url,
    headers_from,
)
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.discovery import servers
from mcp_django.server.server import Server
from mcp_django.sessions.serving import serve
from mcp_django.terminal import ProgressLine, printable, printable_lines
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import MemoryTransport

if TYPE_CHECKING:
    from mcp_django.client.oauth.auth import OAuth

_LOG_LEVELS = {0: "error", 1: "info", 2: "debug", 3: "debug"}
_INTERRUPTED = 130


class Command(BaseCommand):
    """Call a tool of a server, or list its tools."""

    help = "Call a tool of an MCP server, or list its tools."
    requires_system_checks = ()
    stealth_options = ("stdin",)

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Make the parser, which takes options between the arguments too."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "server",
            metavar="SERVER",
            help="URL (with the token of MCP_TOKEN and the headers of MCP_HEADERS, a "
            "JSON object, in the environment), name of a server of this project, or "
            "command in one string that runs one",
        )
        parser.add_argument(
            "tool", metavar="TOOL", nargs="?", help="without it, the tools are listed"
        )
        parser.add_argument(
            "arguments",
            metavar="key=value",
            nargs="*",
            # Without one argparse says that it is required.
            default=[],
            help="arguments: texts as they are, all else as JSON",
        )
        parser.add_argument(
            "--user",
            metavar="USERNAME",
            help="whom to work as, with a server of this project; nobody if left out",
        )
        parser.add_argument(
            "--timeout",
            metavar="SECONDS",
            type=_seconds,
            default=60.0,
            help="how long to wait for the answer, from the last sign of progress",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="write the structured result as JSON, or the content if there is none",
        )
        add_login_arguments(parser)
        parser.add_argument(
            "--logout",
            action="store_true",
            help="forget the login at the server, there too if it can, and do no more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Connect, and list or call."""
        target, headers = find_target(options["server"], options["user"])
        # There is no input in a process without a console.
        stdin: TextIO | None = options.get("stdin") or sys.stdin
        check_login_options(options, "logout")
        self._line = ProgressLine(self.stderr)
        auth = self._find_auth(options, stdin)
        if options["logout"]:
            self._log_out(auth, options["server"])
            return
        form = Form(partial(self._ask, stdin), self._tell)
        self._line.say(f"connecting to {options['server']}")
        with (
            self._explaining_errors(target, is_told_who=bool(auth or headers)),
            SyncClient(
                target,
                headers=headers,
                auth=auth,
                timeout=options["timeout"],
                max_total_timeout=max(600.0, options["timeout"]),
                log_level=_LOG_LEVELS[options["verbosity"]],
                on_log=lambda log: self._tell(printable_lines(_describe_log(log))),
                on_elicit=form.answer if stdin and stdin.isatty() else None,
            ) as client,
        ):
            # Servers without tools do not know the method.
            has_tools = client.server_capabilities.tools is not None
            tools = client.list_tools() if has_tools else []
            if options["tool"] is None:
                self._line.clear()
                self._list(tools)
                return
            tool = _find_tool(tools, options["tool"])
            arguments = read_arguments(tool, options["arguments"])
            self._line.say(f"calling {tool.name}")
            on_progress = self._line.show if self.stderr.isatty() else None
            result = client.call_tool(tool.name, arguments, on_progress=on_progress)
        self._show(result, as_json=options["json"])

    def _find_auth(
        self, options: Mapping[str, Any], stdin: TextIO | None
    ) -> OAuth | None:
        """Find what logs in at the server, if the options want that.

        Raises:
            CommandError: An option, or the environment, is wrong.
        """
        if not (options["login"] or options["logout"]):
            return None
        if "://" not in options["server"]:
            raise CommandError("--login and --logout are for the URL of a server")
        try:
            from mcp_django.management import logins
        except ImportError as error:
            raise CommandError(str(error)) from None
        return logins.oauth_for(
            options["server"],
            options,
            tell=self._tell,
            terminal=stdin,
            # A script has no user to ask: it would wait for minutes, and fail then.
            asks=stdin is not None and stdin.isatty(),
        )

    def _log_out(self, auth: OAuth | None, url: str) -> None:
        assert auth is not None
        try:
            is_logged_in = anyio.run(auth.is_logged_in, url)
            anyio.run(auth.forget, url)
        except (MCPError, OSError) as error:
            raise CommandError(self._shown(str(error))) from None
        self._tell("Logged out." if is_logged_in else "There was no login.")

    @contextmanager
    def _explaining_errors(
        self, target: Target, *, is_told_who: bool
    ) -> Iterator[None]:
        """Turn what goes wrong in the block into what a person at a shell reads.

        Args:
            target: Of the client.
            is_told_who: Whether the server is told who asks.

        Raises:
            CommandError: Something went wrong.
        """
        try:
            yield
        except ToolError as error:
            raise CommandError(self._shown(str(error))) from None
        except (MCPError, ImportError, OSError, ValueError) as error:
            text = printable_lines(str(error))
            if isinstance(error, LoginRequired):
                text = (
                    f"a user has to log in at {error.url!r}, and there is no terminal "
                    f"to ask at; run `manage.py mcp_call {error.url} --login` in one"
                )
            if isinstance(error, HTTPRefused) and error.status == 401:
                text += "" if is_told_who else "; --login logs you in, by OAuth"
            if isinstance(error, ConnectFailed) and isinstance(target, list):
                known = sorted(servers())
                text += f"; it is none of this project's servers either: {known!r}"
            raise CommandError(text) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted", returncode=_INTERRUPTED) from None
        finally:
            self._line.clear()

    # Standard output ----------------------------------------------------------------

    def _list(self, tools: list[Tool]) -> None:
        width = max((len(tool.name) for tool in tools), default=0)
        for tool in tools:
            first = (tool.description or "").strip().partition("\n")[0]
            self.stdout.write(printable(f"{tool.name:{width}}  {first}").rstrip())
        if not tools:
            self._tell("The server has no tools.")

    def _show(self, result: CallToolResult, *, as_json: bool) -> None:
        structured = result.structured_content
        if as_json:
            content = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            shown = content["content"] if structured is None else structured
            self.stdout.write(_write_json(shown))
            return
        for block in result.content:
            self.stdout.write(self._shown(_describe_block(block)))
        if not result.content and structured is not None:
            self.stdout.write(_write_json(structured))

    def _shown(self, text: str) -> str:
        """Give a text as it is, but to a terminal without what is no text."""
        return printable_lines(text) if self.stdout.isatty() else text

    # Standard error -----------------------------------------------------------------

    def _tell(self, text: str) -> None:
        self._line.clear()
        self.stderr.write(text, style_func=str)

    def _ask(self, stdin: TextIO | None, prompt: str) -> str | None:
        self._line.clear()
        self.stderr.write(prompt, style_func=str, ending="")
        self.stderr.flush()
        line = stdin.readline() if stdin else ""
        return line.rstrip("\n") if line else None


class ProjectTransport(MemoryTransport):
    """The client's end of a connection in memory with a server of this project.

    Args:
        server: The one that answers.
        user: The one as which the client works.
    """

    def __init__(self, server: Server, user: User) -> None:
        to_server, at_server = anyio.create_memory_object_stream[bytes](16)
        to_client, at_client = anyio.create_memory_object_stream[bytes](16)
        super().__init__(at_client, to_server, sender=Sender())
        self._server = server
        self._user = user
        self._server_end = MemoryTransport(at_server, to_client, sender=Sender())

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to serve, and to deliver what the server sends."""
        tasks.start_soon(
            partial(serve, self._server, self._server_end, user=self._user)
        )
        await super().start(tasks)


def find_target(server: str, username: str | None) -> tuple[Target, Mapping[str, str]]:
    """Say how to reach a server, and with which headers.

    Args:
        server: URL, name of a server of this project, or command.
        username: Of the user to work as, with a server of this project.

    Raises:
        CommandError: It is nothing of these, or the user is for another kind.
    """
    if server in servers():
        user = find_user(username)
        return partial(ProjectTransport, servers()[server], user), {}
    if username is not None:
        raise CommandError(
            f"--user is for servers of this project, {sorted(servers())!r}; elsewhere "
            "the token says who you are"
        )
    if "://" in server:
        return check_url(server), headers_from(os.environ)
    try:
        command = shlex.split(server)
    except ValueError as error:
        raise CommandError(f"{server!r} is no command: {error}") from None
    if not command:
        raise CommandError("SERVER is empty; give a URL, a name or a command")
    return command, {}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no time in seconds; give more than 0")
    return seconds


def _find_tool(tools: list[Tool], name: str) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    known = ", ".join(repr(tool.name) for tool in tools) or "none at all"
    raise CommandError(printable(f"the server has no tool {name!r}; it has {known}"))


def _describe_log(log: LoggingMessageNotificationParams) -> str:
    data = log.data if isinstance(log.data, str) else _write_json(log.data, indent=None)
    name = f" {log.logger}" if log.logger else ""
    return f"{log.level}{name}: {data}"


def _describe_block(block: ContentBlock) -> str:
    """Give a text as it is, and say of all else in a line what it is."""
    match block:
        case TextContent(text=text):
            return text
        case ImageContent(mime_type=kind, data=data):
            return f"[image: {kind}, {_size(data)} bytes]"
        case AudioContent(mime_type=kind, data=data):
            return f"[audio: {kind}, {_size(data)} bytes]"
        case ResourceLink(name=name, uri=uri):
            return f"[link: {name}, {uri}]"
        case EmbeddedResource(resource=resource):
            if isinstance(resource, TextResourceContents):
                return f"[resource: {resource.uri}, {len(resource.text)} characters]"
            return f"[resource: {resource.uri}, {_size(resource.blob)} bytes]"


def _size(data: str) -> int:
    """Count the bytes that base64 stands for."""
    return len(data.rstrip("=")) * 3 // 4


def _write_json(value: JSON, *, indent: int | None = 2) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)
