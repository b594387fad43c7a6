"""The params of a request, read and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import methods
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.input_rounds import RETRY_MEMBERS
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.protocol.models import read_as
from mcp_django.server.arguments.argument_work import MAX_ARGUMENTS
from mcp_django.server.errors import unknown_method
from mcp_django.server.requests import Request

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Params = TypeVar("Params", bound=BaseModel)

_MAX_TEXT: Final = 1_000_000
"""Characters of arguments that are written as JSON text, all in one."""


def check_offered(server: Server, request: Request) -> None:
    """Refuse a method whose capability the server does not declare.

    Raises:
        ErrorAnswer: It does not, because it has none of what the method is about.
    """
    if not getattr(server, methods.METHODS[request.method].capability):
        raise unknown_method(request.method)


def read_params(form: type[Params], request: Request, **read: JSON) -> Params:
    """Check the params of a request.

    Args:
        form: What they have to be.
        request: Whose they are.
        read: Those that are read already.

    Raises:
        ErrorAnswer: They are something else.
    """
    params = {**request.params, **read} if read else request.params
    if not RETRY_MEMBERS.isdisjoint(params):
        # The handler that asked looks at them; what is unfit is asked again.
        params = {k: v for k, v in params.items() if k not in RETRY_MEMBERS}
    try:
        return read_as(form, params)
    except ValidationError as error:
        raise ErrorAnswer(INVALID_PARAMS, describe_faults(error)) from None


def object_in(arguments: JSON) -> JSON:
    """Read arguments that models wrote as JSON text, all in one."""
    if not isinstance(arguments, str) or len(arguments) > _MAX_TEXT:
        return arguments
    try:
        value: JSON = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        return arguments if arguments.strip() else None
    return value if isinstance(value, dict | None) else arguments


def texts_in(arguments: JSON) -> JSON:
    """Read the arguments of a prompt or template; null is how some leave one out.

    Raises:
        ErrorAnswer: There are too many of them.
    """
    given = object_in(arguments)
    if not isinstance(given, dict):
        return given
    if len(given) > MAX_ARGUMENTS:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"{len(given)} arguments; at most {MAX_ARGUMENTS} are allowed",
        )
    return {name: value for name, value in given.items() if value is not None}
