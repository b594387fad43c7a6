"""From the method of a request to the feature that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from types import NoneType
from typing import TYPE_CHECKING, Final, TypeAlias

from django.utils import translation
from mcp_types import (
    HEADER_MISMATCH,
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    GetPromptRequestParams,
    ReadResourceRequestParams,
)
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    AskRefused,
    CapabilityMissing,
    ErrorAnswer,
    ToolError,
    UrlElicitationRequired,
)
from mcp_django.protocol import modern, versions
from mcp_django.protocol.http_headers import check_mirrored
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.cache_hints import with_hints
from mcp_django.server.completions import complete
from mcp_django.server.django_errors import Refusal
from mcp_django.server.errors import (
    NOT_PERMITTED,
    UNKNOWN,
    ResourceNotFound,
    unknown_feature,
)
from mcp_django.server.features import Tool
from mcp_django.server.languages import language_for
from mcp_django.server.lists import list_features
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.params import object_in, read_params, texts_in
from mcp_django.server.questions import ask_for_visits
from mcp_django.server.request_state import restore
from mcp_django.server.requests import Request
from mcp_django.server.rights import is_permitted
from mcp_django.server.scopes import check_allowed, insufficient
from mcp_django.server.session_requests import set_log_level, subscribe, unsubscribe
from mcp_django.server.showing import translated, translated_info
from mcp_django.server.subscriptions import check_uri
from mcp_django.server.switched_off import refused, switched_off
from mcp_django.server.texts import settled

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Handler: TypeAlias = "Callable[[Server, Request], Awaitable[JSONObject]]"

_DICT_OR_NONE: Final = (dict, NoneType)


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
    if request.is_retry and request.era.may_ask(request.method):
        restore(server, request)
    try:
        result = await _HANDLERS[request.method](server, request)
    except Exception as error:
        language = request.language
        with nullcontext() if language is None else translation.override(language):
            result = _answer_failure(request, error)
    if server.has_lazy_title and request.era.signs_results:
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


def _answer_failure(request: Request, error: Exception) -> JSONObject:
    """Answer for an exception, with its text in the language that is active.

    Raises:
        ErrorAnswer: The answer is this JSON-RPC error.
        QuestionsAsked: The client has to be asked first.
        Exception: It is a failure.
    """
    match error:
        case UrlElicitationRequired() if request.era.asks_in_results:
            # Spec: 2026-07-28 basic, "Error Codes": there is no error for it any more.
            try:
                ask_for_visits(request, error)
            except Exception as refused:
                return _answer_failure(request, refused)
        case ErrorAnswer():
            answered = settled(error)
            code = request.era.error_code(error.code)
            if code != error.code:
                answered = ErrorAnswer(code, answered.message, answered.data)
                answered.reason = error.reason
            if answered is error:
                raise error
            raise answered from error
        case CapabilityMissing() if request.era.names_missing_capabilities:
            raise ErrorAnswer(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                str(error),
                {"requiredCapabilities": error.required},
            ) from None
        case ToolError() | AskRefused() if request.method == "tools/call":
            # For the model to read.
            return tool_error(str(error))
        case ToolError():
            raise ErrorAnswer(INVALID_PARAMS, str(error)) from None
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


async def _call_tool(server: Server, request: Request) -> JSONObject:
    params = request.params
    name, arguments = params.get("name"), params.get("arguments")
    # On the hot path: the model is asked only to say what is wrong.
    if not (
        isinstance(name, str)
        and isinstance(arguments, _DICT_OR_NONE)
        and isinstance(params.get("_meta"), _DICT_OR_NONE)
    ):
        arguments = object_in(arguments)
        read = read_params(CallToolRequestParams, request, arguments=arguments)
        name, arguments = read.name, read.arguments
    tool = server.tools.get(name)
    if tool is None:
        request.feature = FeatureName.unknown("tool", name)
        raise unknown_feature("tool", name, UNKNOWN)
    request.feature = tool.handler.feature
    request.max_result_bytes = tool.max_result_bytes
    # On the hot path: most tools need no permission.
    if tool.permission is not None and not await is_permitted(server, request, tool):
        raise unknown_feature("tool", name, NOT_PERMITTED)
    # On the hot path: mostly nothing is switched off.
    if switched_off.is_any and await switched_off.has(server, request, tool):
        raise refused(request, "tool", name)
    # On the hot path: most tokens allow everything.
    allowed = request.sender.scopes
    if allowed is not None and not tool.scopes <= allowed:
        raise insufficient(server, request, tool.scopes)
    if tool.mirrored and request.mirrors_headers:
        _check_headers(tool, request, arguments or {})
    return await tool.call(server, request, arguments)


def _check_headers(tool: Tool, request: Request, arguments: Mapping[str, JSON]) -> None:
    try:
        check_mirrored(tool.mirrored, arguments, request.sender.headers)
    except ValueError as error:
        raise ErrorAnswer(HEADER_MISMATCH, f"Header mismatch: {error}") from None


async def _read_resource(server: Server, request: Request) -> JSONObject:
    uri = read_params(ReadResourceRequestParams, request).uri
    request.feature = FeatureName.unknown("resource", uri)
    check_uri(uri)
    try:
        resource, arguments = await server.find_resource(uri, request)
        request.feature = resource.handler.feature
        request.max_result_bytes = resource.max_result_bytes
        contents = await resource.read(server, request, uri, arguments)
        return with_hints(request, {"contents": contents}, resource.cache)
    except ResourceNotFound as error:
        raise error.in_era(request.era, error.uri or uri) from None


async def _get_prompt(server: Server, request: Request) -> JSONObject:
    arguments = texts_in(request.params.get("arguments"))
    params = read_params(GetPromptRequestParams, request, arguments=arguments)
    request.feature = FeatureName.unknown("prompt", params.name)
    prompt = server.prompts.get(params.name)
    if prompt is None:
        raise unknown_feature("prompt", params.name, UNKNOWN)
    request.max_result_bytes = prompt.max_result_bytes
    if not await is_permitted(server, request, prompt):
        raise unknown_feature("prompt", params.name, NOT_PERMITTED)
    if switched_off.is_any and await switched_off.has(server, request, prompt):
        raise refused(request, "prompt", params.name)
    check_allowed(server, request, prompt)
    return await prompt.get(server, request, params.arguments)


async def _discover(server: Server, request: Request) -> JSONObject:
    result = {
        "supportedVersions": list(versions.MODERN),
        "_meta": {SERVER_INFO_META_KEY: translated(server, server.implementation)},
        **server.describe(request.version, has_streams=request.sender.has_streams),
    }
    return with_hints(request, result, server.cache)


_HANDLERS: Final[Mapping[str, Handler]] = {
    "completion/complete": complete,
    "logging/setLevel": set_log_level,
    "prompts/get": _get_prompt,
    "prompts/list": list_features,
    "resources/list": list_features,
    "resources/read": _read_resource,
    "resources/subscribe": subscribe,
    "resources/templates/list": list_features,
    "resources/unsubscribe": unsubscribe,
    "server/discover": _discover,
    "tools/call": _call_tool,
    "tools/list": list_features,
}
