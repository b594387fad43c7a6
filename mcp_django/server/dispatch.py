"""From the method of a request to the feature that answers it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from django.utils import translation
from mcp_types import (
    HEADER_MISMATCH,
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
)
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    AskRefused,
    CapabilityMissing,
    ErrorAnswer,
    ToolError,
    UrlElicitationRequired,
)
from mcp_django.protocol import error_codes, methods, modern, versions
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.faults import describe_faults
from mcp_django.protocol.http_headers import check_mirrored
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.models import read_as
from mcp_django.protocol.versions import Kind
from mcp_django.server.argument_work import MAX_ARGUMENTS
from mcp_django.server.cache_hints import NEVER_CACHE, CacheHints
from mcp_django.server.django_errors import Refusal
from mcp_django.server.errors import (
    NOT_PERMITTED,
    UNKNOWN,
    ResourceNotFound,
)
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.identity import referred
from mcp_django.server.languages import language_for
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.questions import ask_for_visits
from mcp_django.server.request_state import restore
from mcp_django.server.requests import RETRY_MEMBERS, Request, SessionState
from mcp_django.server.rights import is_permitted, permitted
from mcp_django.server.showing import shown, translated, translated_info
from mcp_django.server.subscriptions import check_readable, check_uri
from mcp_django.server.texts import settled

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Method: TypeAlias = "Callable[[Server, Request], Awaitable[JSONObject]]"
Params = TypeVar("Params", bound=BaseModel)

_MAX_TEXT: Final = 1_000_000
"""Characters of arguments that are written as JSON text, all in one."""

_MAX_SHOWN: Final = 200
"""Characters shown of what a client named."""


def answer(server: Server, request: Request) -> Awaitable[JSONObject]:
    """Answer a request of a client with its result, in the request's version.

    Raises:
        ErrorAnswer: The answer is this JSON-RPC error.
        QuestionsAsked: The client has to be asked first; then call again.
        Exception: A handler failed.
    """
    # On the hot path: few clients and few sites say anything of languages.
    if (
        mcp_settings.LANGUAGE is None
        and "accept-language" not in request.sender.headers
    ):
        return _answer(server, request)
    return _answer_in_language(server, request)


async def _answer_in_language(server: Server, request: Request) -> JSONObject:
    with await language_for(server, request):
        return await _answer(server, request)


async def _answer(server: Server, request: Request) -> JSONObject:
    """Answer a request in the language that is active."""
    if request.is_retry and request.method in methods.MAY_ASK:
        restore(server, request)
    try:
        result = await _METHODS[request.method](server, request)
    except Exception as error:
        with _language_of_failure(request):
            result = _answer_failure(request, error)
    if server.has_lazy_title and request.is_modern:
        result = modern.complete(result, translated_info(server))
    return result


async def with_title(
    server: Server, request: Request, result: JSONObject
) -> JSONObject:
    """Add the server's lazy title to a modern result that `answer` did not give."""
    if not server.has_lazy_title:
        return result
    with await language_for(server, request):
        return modern.complete(result, translated_info(server))


def _language_of_failure(request: Request) -> AbstractContextManager[object]:
    return (
        nullcontext()
        if request.language is None
        else translation.override(request.language)
    )


def _answer_failure(request: Request, error: Exception) -> JSONObject:
    """Answer for an exception, with its text in the language that is active.

    Raises:
        ErrorAnswer: The answer is this JSON-RPC error.
        Exception: It is a failure.
    """
    match error:
        case ErrorAnswer():
            answered = settled(error)
            code = (
                error_codes.in_modern_era(error.code)
                if request.is_modern
                else error.code
            )
            if code != error.code:
                answered = ErrorAnswer(code, answered.message, answered.data)
                answered.reason = error.reason
            if answered is error:
                raise error
            raise answered from error
        case ToolError():
            # Results for the model to read are the tools' own.
            raise ErrorAnswer(INVALID_PARAMS, str(error)) from None
        case CapabilityMissing() if request.is_modern:
            raise ErrorAnswer(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                str(error),
                {"requiredCapabilities": error.required},
            ) from None
        case AskRefused():
            raise ErrorAnswer(INTERNAL_ERROR, str(error)) from None
    return _refused(request, error)


def _refused(request: Request, error: Exception) -> JSONObject:
    """Answer what an exception of Django's stands for.

    Raises:
        ErrorAnswer: The answer is this JSON-RPC error.
        Exception: It is none of Django's, but a failure.
    """
    refusal = Refusal.of(error)
    if refusal is None:
        raise error
    refusal.log(error, request.describe())
    if request.method == "tools/call":
        return tool_error(refusal.text)
    raise ErrorAnswer(INVALID_PARAMS, refusal.text) from error


def tool_error(text: str) -> JSONObject:
    """Make the result of a failed tool call.

    Spec: 2025-11-25 server/tools, "Error Handling".
    """
    return {"content": [{"type": "text", "text": text}], "isError": True}


async def _list_tools(server: Server, request: Request) -> JSONObject:
    _require(server.tools, request)
    return await _list(server, request, "tools", "tool", server.tools.values())


async def _list_resources(server: Server, request: Request) -> JSONObject:
    _require(server.resources, request)
    fixed = (r for r in server.resources.values() if r.template is None)
    return await _list(server, request, "resources", "resource", fixed)


async def _list_templates(server: Server, request: Request) -> JSONObject:
    _require(server.resources, request)
    templates = (r for r in server.resources.values() if r.template is not None)
    return await _list(
        server, request, "resourceTemplates", "resource_template", templates
    )


async def _list_prompts(server: Server, request: Request) -> JSONObject:
    _require(server.prompts, request)
    return await _list(server, request, "prompts", "prompt", server.prompts.values())


def _read_tool_call(request: Request) -> tuple[str, Mapping[str, JSON] | None]:
    """Give the name and the arguments of a tool call.

    On the hot path: the model is asked only to say what is wrong.
    """
    params = request.params
    name, arguments = params.get("name"), params.get("arguments")
    if (
        isinstance(name, str)
        and isinstance(arguments, dict | None)
        and isinstance(params.get("_meta"), dict | None)
    ):
        return name, arguments
    read = _read(CallToolRequestParams, request, arguments=_object_in(arguments))
    return read.name, read.arguments


def _object_in(arguments: JSON) -> JSON:
    """Read arguments that models wrote as JSON text, all in one."""
    if not isinstance(arguments, str) or len(arguments) > _MAX_TEXT:
        return arguments
    try:
        value: JSON = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        return arguments if arguments.strip() else None
    return value if isinstance(value, dict | None) else arguments


def _texts_in(arguments: JSON) -> JSON:
    """Read the arguments of a prompt or template; null is how some leave one out."""
    given = _object_in(arguments)
    if not isinstance(given, dict):
        return given
    if len(given) > MAX_ARGUMENTS:
        raise ErrorAnswer(
            INVALID_PARAMS,
            f"{len(given)} arguments; at most {MAX_ARGUMENTS} are allowed",
        )
    return {name: value for name, value in given.items() if value is not None}


async def _call_tool(server: Server, request: Request) -> JSONObject:
    name, arguments = _read_tool_call(request)
    tool = server.tools.get(name)
    if tool is None:
        request.feature = FeatureName.unknown("tool", name)
        raise _unknown("tool", name, UNKNOWN)
    request.feature = tool.handler.feature
    request.max_result_bytes = tool.max_result_bytes
    # On the hot path: most tools are for everybody.
    if tool.permission is not None and not await is_permitted(server, request, tool):
        raise _unknown("tool", name, NOT_PERMITTED)
    if tool.mirrored and request.mirrors_headers:
        _check_headers(tool, request, arguments or {})
    try:
        try:
            return await tool.call(server, request, arguments)
        except UrlElicitationRequired as error:
            if not request.is_modern:
                raise
            # As `_asking_for_visits` does, which costs more. Raises what is caught
            # below, too.
            ask_for_visits(request, error)
    except CapabilityMissing as error:
        if request.is_modern:
            raise
        return tool_error(str(error))
    except (ToolError, AskRefused) as error:
        with _language_of_failure(request):
            return tool_error(str(error))


@contextmanager
def _asking_for_visits(server: Server, request: Request) -> Iterator[None]:
    """Ask for the visits to URLs that a handler requires, as the modern era does.

    Spec: 2026-07-28 basic, "Error Codes": -32042 is no more.
    """
    try:
        yield
    except UrlElicitationRequired as error:
        if not request.is_modern:
            raise
        ask_for_visits(request, error)


def _check_headers(tool: Tool, request: Request, arguments: Mapping[str, JSON]) -> None:
    try:
        check_mirrored(tool.mirrored, arguments, request.sender.headers)
    except ValueError as error:
        raise ErrorAnswer(HEADER_MISMATCH, f"Header mismatch: {error}") from None


async def _read_resource(server: Server, request: Request) -> JSONObject:
    uri = _read(ReadResourceRequestParams, request).uri
    request.feature = FeatureName.unknown("resource", uri)
    check_uri(uri)
    try:
        resource, arguments = await server.find_resource(uri, request)
        request.feature = resource.handler.feature
        request.max_result_bytes = resource.max_result_bytes
        with _asking_for_visits(server, request):
            contents = await resource.read(server, request, uri, arguments)
        return _cacheable(request, {"contents": contents}, resource.cache)
    except ResourceNotFound as error:
        answer = ErrorAnswer(
            INVALID_PARAMS if request.is_modern else RESOURCE_NOT_FOUND,
            error.message,
            {"uri": error.uri or uri},
        )
        answer.reason = error.reason
        raise answer from None


async def _get_prompt(server: Server, request: Request) -> JSONObject:
    arguments = _texts_in(request.params.get("arguments"))
    params = _read(GetPromptRequestParams, request, arguments=arguments)
    request.feature = FeatureName.unknown("prompt", params.name)
    prompt = server.prompts.get(params.name)
    if prompt is None:
        raise _unknown("prompt", params.name, UNKNOWN)
    request.max_result_bytes = prompt.max_result_bytes
    if not await is_permitted(server, request, prompt):
        raise _unknown("prompt", params.name, NOT_PERMITTED)
    with _asking_for_visits(server, request):
        return await prompt.get(server, request, params.arguments)


async def _complete(server: Server, request: Request) -> JSONObject:
    # Spec: 2025-11-25 server/utilities/completion, "Error Handling".
    _require(server.completions, request)
    context = request.params.get("context")
    if isinstance(context, dict):
        context = {**context, "arguments": _texts_in(context.get("arguments"))}
    params = _read(CompleteRequestParams, request, context=context)
    match params.ref:
        case PromptReference(name=name):
            request.feature = FeatureName.unknown("prompt", name)
            feature: Prompt | Resource | None = server.prompts.get(name)
        case template:
            request.feature = FeatureName.unknown("resource", template.uri)
            feature = referred(server.resources, template.uri)
            name = template.uri if feature is None else feature.uri
    if feature is None:
        raise _unknown("reference", name, UNKNOWN)
    request.feature = feature.handler.feature
    if not await is_permitted(server, request, feature):
        raise _unknown("reference", name, NOT_PERMITTED)
    completion = server.completions.get((name, params.argument.name))
    if completion is None:
        return {"completion": {"values": [], "total": 0, "hasMore": False}}
    known = params.context.arguments if params.context else None
    return await completion.complete(
        server, request, params.argument.value, known or {}
    )


async def _set_level(server: Server, request: Request) -> JSONObject:
    params = _read(SetLevelRequestParams, request)
    await _session(request).set_log_level(params.level)
    return {}


async def _subscribe(server: Server, request: Request) -> JSONObject:
    uri = _read(SubscribeRequestParams, request).uri
    request.feature = FeatureName.unknown("resource", uri)
    session = _session(request)
    check_uri(uri)
    try:
        await check_readable(server, request, uri)
    except ResourceNotFound as error:
        answer = ErrorAnswer(RESOURCE_NOT_FOUND, error.message, {"uri": uri})
        answer.reason = error.reason
        raise answer from None
    await session.subscribe(uri, request)
    return {}


async def _unsubscribe(server: Server, request: Request) -> JSONObject:
    uri = _read(SubscribeRequestParams, request).uri
    request.feature = FeatureName.unknown("resource", uri)
    session = _session(request)
    check_uri(uri)
    await session.unsubscribe(uri)
    return {}


async def _discover(server: Server, request: Request) -> JSONObject:
    result = {
        "supportedVersions": list(versions.MODERN),
        "_meta": {SERVER_INFO_META_KEY: translated(server, server.implementation)},
        **server.describe(request.version),
    }
    return _cacheable(request, result, server.cache)


_METHODS: Final[Mapping[str, Method]] = {
    "completion/complete": _complete,
    "logging/setLevel": _set_level,
    "prompts/get": _get_prompt,
    "prompts/list": _list_prompts,
    "resources/list": _list_resources,
    "resources/read": _read_resource,
    "resources/subscribe": _subscribe,
    "resources/templates/list": _list_templates,
    "resources/unsubscribe": _unsubscribe,
    "server/discover": _discover,
    "tools/call": _call_tool,
    "tools/list": _list_tools,
}


async def _list(
    server: Server,
    request: Request,
    member: str,
    kind: Kind,
    features: Iterable[Tool | Resource | Prompt],
) -> JSONObject:
    """Give one page of a list, and the cursor of the next.

    Spec: 2025-11-25 server/utilities/pagination.
    """
    cursor = _read(PaginatedRequestParams, request).cursor
    size = server.page_size or mcp_settings.PAGE_SIZE
    visible = await permitted(server, request, features)
    start = 0 if cursor is None else _position_after(cursor, visible)
    page = visible[start : start + size]
    result: JSONObject = {
        member: [
            versions.adapt_entry(
                kind,
                shown(server, feature),
                request.version,
            )
            for feature in page
        ]
    }
    if start + size < len(visible):
        result["nextCursor"] = _cursor_after(page[-1])
    return _cacheable(request, result, server.cache)


def _cacheable(request: Request, result: JSONObject, cache: CacheHints) -> JSONObject:
    """Say how long the client may keep a result, where the version has words for it.

    Spec: 2026-07-28 server/utilities/caching; what a retry made must not be kept.
    """
    if not request.is_modern:
        return result
    hints = NEVER_CACHE if request.is_retry else cache
    return {**result, "ttlMs": hints.ttl_ms, "cacheScope": hints.scope}


def _cursor_after(feature: Tool | Resource | Prompt) -> str:
    return base64.urlsafe_b64encode(_identity(feature).encode()).decode()


def _position_after(cursor: str, visible: Iterable[Tool | Resource | Prompt]) -> int:
    try:
        last = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last = None
    for position, feature in enumerate(visible, start=1):
        if _identity(feature) == last:
            return position
    raise ErrorAnswer(
        INVALID_PARAMS,
        "unknown cursor; start again without one",
        {"cursor": cursor[:_MAX_SHOWN]},
    )


def _identity(feature: Tool | Resource | Prompt) -> str:
    return feature.uri if isinstance(feature, Resource) else feature.name


def _unknown(kind: str, name: str, reason: str) -> ErrorAnswer:
    """Refuse a feature in the same words, whether or not there is one.

    Args:
        kind: What was asked for.
        name: As the client named it.
        reason: For the site.
    """
    error = ErrorAnswer(INVALID_PARAMS, f"Unknown {kind}: {name[:_MAX_SHOWN]}")
    error.reason = reason
    return error


def _require(features: object, request: Request) -> None:
    """Refuse a method for which no capability was declared."""
    if not features:
        raise ErrorAnswer(METHOD_NOT_FOUND, f"unknown method: {request.method}")


def _read(form: type[Params], request: Request, **read: JSON) -> Params:
    """Check the parameters of a request.

    Args:
        form: What they have to be.
        request: Whose they are.
        read: Those that are read already.
    """
    params = {**request.params, **read} if read else request.params
    if not RETRY_MEMBERS.isdisjoint(params):
        # Whoever asked looks at them; what is unfit is asked again, not refused.
        params = {k: v for k, v in params.items() if k not in RETRY_MEMBERS}
    try:
        return read_as(form, params)
    except ValidationError as error:
        raise ErrorAnswer(INVALID_PARAMS, describe_faults(error)) from None


def _session(request: Request) -> SessionState:
    if request.session is None:
        raise ErrorAnswer(METHOD_NOT_FOUND, f"unknown method: {request.method}")
    return request.session
