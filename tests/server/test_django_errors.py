"""Exceptions of Django, raised by handlers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousFileOperation,
    SuspiciousOperation,
    ValidationError,
)
from django.core.validators import validate_slug
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import aget_object_or_404, get_list_or_404, get_object_or_404
from django.urls import Resolver404
from django.utils.translation import gettext_lazy
from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import AfterValidator

from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.server import Server
from tests.server.calls import LATEST, MODERN, Caller

SECRET = "the inside of the site"

EXCEPTIONS: dict[str, tuple[Exception, int, str]] = {
    "a missing row": (User.DoesNotExist(SECRET), 404, "Not found"),
    "a missing anything": (ObjectDoesNotExist(), 404, "Not found"),
    "a missing related row": (
        Permission.DoesNotExist("User has no site."),
        404,
        "Not found",
    ),
    "404": (Http404(), 404, "Not found"),
    "404 with a text": (Http404("No such order"), 404, "No such order"),
    "404 with a lazy text": (Http404(gettext_lazy("No such")), 404, "No such"),
    "404 of a shortcut": (
        Http404("No User matches the given query."),
        404,
        "Not found",
    ),
    "404 of the URLconf": (Resolver404({"path": SECRET}), 404, "Not found"),
    "403": (PermissionDenied(), 403, "Permission denied"),
    "403 with a text": (PermissionDenied("Staff only"), 403, "Staff only"),
    "an unfit value": (ValidationError("Too short"), 400, "Too short"),
    "an unfit value with parameters": (
        ValidationError(gettext_lazy("At least %(n)s"), params={"n": 3}),
        400,
        "At least 3",
    ),
    "unfit values": (ValidationError(["One", "Two"]), 400, "One Two"),
    "unfit fields": (
        ValidationError({"name": ["Too short", "Taken"], "__all__": "Closed"}),
        400,
        "name: Too short Taken; Closed",
    ),
    "nothing unfit": (ValidationError([]), 400, "Bad request"),
    "a suspicious request": (SuspiciousOperation(SECRET), 400, "Bad request"),
    "a suspicious file": (SuspiciousFileOperation(SECRET), 400, "Bad request"),
    "a suspicious host": (DisallowedHost(SECRET), 400, "Bad request"),
    "too much data": (RequestDataTooBig(SECRET), 400, "Bad request"),
    "a bad request": (BadRequest(SECRET), 400, "Bad request"),
    "a form that cannot be read": (MultiPartParserError(SECRET), 400, "Bad request"),
}

each_exception = pytest.mark.parametrize(
    ("error", "status", "text"), EXCEPTIONS.values(), ids=EXCEPTIONS
)
each_era = pytest.mark.parametrize("version", [LATEST, MODERN])


def server_that_raises(raiser: Callable[[], Any]) -> Server:
    """Make a server all of whose handlers do the same."""
    server = Server("shop")

    @server.tool
    async def tool() -> None:
        raiser()

    @server.tool
    def tool_in_thread() -> None:
        raiser()

    @server.resource("shop://orders/{number}")
    async def order(number: str) -> str:
        raiser()
        return number

    @server.prompt
    def prompt(name: str) -> str:
        raiser()
        return name

    @server.completion(prompt, "name")
    def complete_name(value: str) -> list[str]:
        raiser()
        return []

    return server


def raising(error: BaseException) -> Callable[[], Any]:
    def raiser() -> None:
        raise error

    return raiser


def failed(text: str) -> JSONObject:
    return {"content": [{"type": "text", "text": text}], "isError": True}


READ = {"uri": "shop://orders/7"}
GET = {"name": "prompt", "arguments": {"name": "Ada"}}
COMPLETE = {
    "ref": {"type": "ref/prompt", "name": "prompt"},
    "argument": {"name": "name", "value": "A"},
}


@each_exception
@each_era
async def test_model_reads_what_a_view_would_have_said(
    version: str, error: Exception, status: int, text: str
) -> None:
    """We chose it: never the texts that name what is inside."""
    caller = Caller(server_that_raises(raising(error)), version=version)

    for tool in ("tool", "tool_in_thread"):
        assert await caller.call_tool(tool) == failed(text)


@each_exception
@each_era
async def test_other_features_answer_with_an_error(
    version: str, error: Exception, status: int, text: str
) -> None:
    """We chose it: -32602, as for what a `ToolError` says there."""
    caller = Caller(server_that_raises(raising(error)), version=version)

    for method, params in (("prompts/get", GET), ("completion/complete", COMPLETE)):
        answer = await caller.error_of(method, params)
        assert (answer.code, answer.message) == (INVALID_PARAMS, text)
    answer = await caller.error_of("resources/read", READ)
    if status == 404:
        code = INVALID_PARAMS if version == MODERN else RESOURCE_NOT_FOUND
        assert (answer.code, answer.message) == (code, "Resource not found")
        assert answer.data == READ
    else:
        assert (answer.code, answer.message) == (INVALID_PARAMS, text)


@each_era
@pytest.mark.parametrize("nests", [1, 2])
async def test_exceptions_of_a_task_group_are_read_as_well(
    version: str, nests: int
) -> None:
    """We chose it: the first that is meant for whoever asked."""
    error: Exception = Http404("No such order")
    for _ in range(nests):
        error = ExceptionGroup("tasks", [error])
    caller = Caller(server_that_raises(raising(error)), version=version)

    assert await caller.call_tool("tool") == failed("No such order")


async def test_failure_beside_them_is_a_failure() -> None:
    """We chose it: what nobody expected is not hidden by what somebody did."""
    group = ExceptionGroup("tasks", [Http404("No such order"), LookupError()])
    caller = Caller(server_that_raises(raising(group)))

    with pytest.raises(ExceptionGroup):
        await caller.call_tool("tool")


@pytest.mark.parametrize(
    "error",
    [MultipleObjectsReturned(SECRET), LookupError(SECRET), ValueError(SECRET)],
    ids=repr,
)
async def test_others_are_failures(error: Exception) -> None:
    """We chose it: as for views, where they are 500."""
    caller = Caller(server_that_raises(raising(error)))

    for method, params in (
        ("tools/call", {"name": "tool"}),
        ("resources/read", READ),
        ("prompts/get", GET),
        ("completion/complete", COMPLETE),
    ):
        with pytest.raises(type(error)):
            await caller.call(method, params)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "look",
    [
        lambda: User.objects.get(username="ada"),
        lambda: get_object_or_404(User, username="ada"),
        lambda: get_list_or_404(Group),
    ],
)
async def test_shortcuts_do_not_name_models(look: Callable[[], object]) -> None:
    """We chose it: a row that is not there looks as one that may not be seen."""
    server = Server("shop")

    @server.tool
    def show() -> None:
        look()

    @server.tool
    async def show_async() -> None:
        await aget_object_or_404(User, username="ada")

    caller = Caller(server)
    assert await caller.call_tool("show") == failed("Not found")
    assert await caller.call_tool("show_async") == failed("Not found")


@pytest.mark.django_db(transaction=True)
async def test_model_that_is_not_clean_says_what_is_wrong() -> None:
    """We chose it: as in a form."""
    server = Server("shop")

    @server.tool
    def rename(to: str) -> None:
        User(username=to, password="x").full_clean()

    assert await Caller(server).call_tool("rename", to="a b") == failed(
        "username: Enter a valid username. This value may contain only letters, "
        "numbers, and @/./+/-/_ characters."
    )


async def test_around_may_raise_them() -> None:
    """We chose it: before the handler, and after it."""
    server = server_that_raises(raising(Http404("No such order")))
    seen: list[Exception] = []

    @server.around
    async def look(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except Http404 as error:
            seen.append(error)
            raise PermissionDenied("Staff only") from error

    assert await Caller(server).call_tool("tool") == failed("Staff only")
    assert [str(error) for error in seen] == ["No such order"]


def check_slug(value: str) -> str:
    validate_slug(value)
    return value


Slug = Annotated[str, AfterValidator(check_slug)]


async def test_validators_of_arguments_may_raise_them() -> None:
    """We chose it: Django's own validators raise what is no `ValueError`."""
    server = Server("shop")

    @server.tool
    def show(slug: Slug) -> None: ...

    assert await Caller(server).call_tool("show", slug="a b") == failed(
        "Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."
    )


@pytest.mark.parametrize("is_async", [True, False])
async def test_resource_that_another_handler_reads_is_not_found(is_async: bool) -> None:
    """We promise it of `read_resource`."""
    server = server_that_raises(raising(User.DoesNotExist(SECRET)))

    @server.tool
    async def read(context: Context) -> None:
        await context.read_resource("shop://orders/7")

    @server.tool
    def read_in_thread(context: SyncContext) -> None:
        context.read_resource("shop://orders/7")

    tool = "read" if is_async else "read_in_thread"
    answer = await Caller(server).error_of("tools/call", {"name": tool})
    assert answer.message == "Resource not found"


# In the log -------------------------------------------------------------------------

LOGGED: dict[str, tuple[Exception, str, int, str, bool]] = {
    "404": (
        Http404("No such order"),
        "django.request",
        logging.WARNING,
        "Not Found: tools/call 'tool'",
        False,
    ),
    "a missing row": (
        User.DoesNotExist(SECRET),
        "django.request",
        logging.WARNING,
        "Not Found: tools/call 'tool'",
        True,
    ),
    "403": (
        PermissionDenied(),
        "django.request",
        logging.WARNING,
        "Forbidden (Permission denied): tools/call 'tool'",
        True,
    ),
    "an unfit value": (
        ValidationError("Too short"),
        "django.request",
        logging.WARNING,
        "Bad Request: tools/call 'tool'",
        False,
    ),
    "a bad request": (
        BadRequest("No number"),
        "django.request",
        logging.WARNING,
        "No number: tools/call 'tool'",
        True,
    ),
    "a suspicious file": (
        SuspiciousFileOperation("../../etc"),
        "django.security.SuspiciousFileOperation",
        logging.ERROR,
        "../../etc",
        True,
    ),
}


@pytest.mark.parametrize(
    ("error", "name", "level", "message", "has_traceback"),
    LOGGED.values(),
    ids=LOGGED,
)
async def test_log_is_as_for_views(
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    name: str,
    level: int,
    message: str,
    has_traceback: bool,
) -> None:
    """We chose it: whoever watches `django.security` hears of these requests, too."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()

    await Caller(server_that_raises(raising(error))).call_tool("tool")

    [record] = [r for r in caplog.records if r.name.startswith("django.")]
    assert (record.name, record.levelno, record.getMessage()) == (name, level, message)
    assert (record.exc_info is not None) == has_traceback
    assert isinstance(record.__dict__["status_code"], int)


# Under DEBUG ------------------------------------------------------------------------


async def test_bad_request_says_why_under_debug(settings: LazySettings) -> None:
    """We chose it: as Django's page does."""
    settings.DEBUG = True
    caller = Caller(server_that_raises(raising(SuspiciousOperation("too many dots"))))

    assert await caller.call_tool("tool") == failed(
        "Bad request: SuspiciousOperation: too many dots"
    )
