"""Making features of the functions that developers register.

What is wrong with a function raises `ValueError`, with what to do about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import mcp_types
from django.utils.functional import Promise
from django.utils.text import format_lazy
from mcp_types import ToolAnnotations

from mcp_django.protocol.http_headers import mirrored_parameters
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.arguments.fitting import Fitting
from mcp_django.server.arguments.signatures import Parameter
from mcp_django.server.cache_hints import CacheHints
from mcp_django.server.completions import Completion
from mcp_django.server.declarations import (
    check_annotations,
    check_count,
    check_entry,
    check_fixed_texts,
    check_flags,
    check_mappings,
    check_seconds,
    check_texts,
    naming,
)
from mcp_django.server.features import Prompt, Resource, Tool, check_name, make_entry
from mcp_django.server.functions import name_of
from mcp_django.server.handlers import make_handler
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.permissions import Permission, read_permission
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.schemas.references import references_in
from mcp_django.server.scopes import Scope, read_needed
from mcp_django.server.suggestions import guards_of
from mcp_django.server.texts import Text, has_lazy_text
from mcp_django.server.transactions import Atomic, read_atomic
from mcp_django.server.uris.uri_templates import UriTemplate

_HINTS = {
    "read_only": "readOnlyHint",
    "destructive": "destructiveHint",
    "idempotent": "idempotentHint",
    "open_world": "openWorldHint",
}
"""Hint by keyword -> its name on the wire."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[^:/]*\{")
"""How an absolute URI begins; in a template the scheme may be a variable."""

_SAID_BESIDE = ("default", "description", "title")
"""What the schema of an argument says that a prompt's entry says already, or cannot."""


def make_tool(
    function: Callable[..., Any],
    *,
    name: str | None,
    description: Text | None,
    permission: Permission | None,
    scope: Scope | None,
    atomic: Atomic | None,
    max_result_bytes: int | None,
    timeout: float | None,
    input_schema: Mapping[str, Any] | None,
    output_schema: Mapping[str, Any] | None,
    structured: bool | None,
    annotations: ToolAnnotations | Mapping[str, Any] | None,
    read_only: bool | None,
    destructive: bool | None,
    idempotent: bool | None,
    open_world: bool | None,
    **shown: Any,
) -> Tool:
    """Make a tool; the arguments are those of `Server.tool`.

    Args:
        shown: Those that only lists show.

    Raises:
        ValueError: The name is not allowed, the function cannot be a tool, or its
            hints contradict each other.
    """
    tool_name = check_name("tool", name_of(function) if name is None else name)
    shown_name = f"tool {tool_name!r}"
    check_texts(shown_name, title=shown.get("title"), description=description)
    check_flags(shown_name, structured=structured)
    read_atomic(shown_name, atomic)
    check_count(shown_name, "max_result_bytes", max_result_bytes, least=1)
    check_seconds(shown_name, "timeout", timeout)
    check_mappings(
        shown_name,
        meta=shown.get("meta"),
        input_schema=input_schema,
        output_schema=output_schema,
    )
    hints = _with_hints(
        tool_name,
        annotations,
        read_only=read_only,
        destructive=destructive,
        idempotent=idempotent,
        open_world=open_world,
    )
    handler = make_handler(
        function,
        name=tool_name,
        feature=FeatureName("tool", tool_name),
        atomic=atomic,
        timeout=timeout,
        input_schema=input_schema,
    )
    with naming(shown_name):
        mirrored = mirrored_parameters(handler.signature.input_schema)
        output = ToolOutput.of(
            handler.signature.returns,
            structured=structured,
            output_schema=dict(output_schema) if output_schema else None,
        )
    entry = make_entry(
        name=tool_name,
        description=_first(description, handler.signature.description),
        inputSchema=handler.signature.input_schema,
        outputSchema=output.schema,
        annotations=hints,
        **shown,
    )
    check_annotations(shown_name, entry.get("annotations"), ToolAnnotations)
    check_entry(shown_name, entry, mcp_types.Tool)
    needed = read_permission(permission, shown_name, handler.signature)
    reads = entry.get("annotations", {}).get("readOnlyHint") is True
    scopes = read_needed(shown_name, scope, reads=reads)
    return Tool(
        tool_name,
        entry,
        handler,
        output,
        needed,
        scopes,
        mirrored,
        max_result_bytes,
    )


def _with_hints(
    name: str,
    annotations: ToolAnnotations | Mapping[str, Any] | None,
    **hints: bool | None,
) -> ToolAnnotations | Mapping[str, Any] | None:
    """Join the hints given by keyword to the annotations of a tool.

    Args:
        name: The tool's.
        annotations: Those given, if any; as a mapping with the names of the wire.
        hints: By keyword of `Server.tool`; None for what was left out.

    Raises:
        ValueError: One is no bool, or they contradict each other.

    Spec: 2025-11-25 schema.ts, `ToolAnnotations`.
    """
    given = {key: value for key, value in hints.items() if value is not None}
    if not given or not isinstance(annotations, Mapping | ToolAnnotations | None):
        return annotations
    joined: JSONObject = dict(make_entry(annotations=annotations or {})["annotations"])
    for key, value in given.items():
        if not isinstance(value, bool):
            raise ValueError(
                f"tool {name!r}: {key} must be True or False, not {value!r}"
            )
        other = joined.setdefault(_HINTS[key], value)
        if other != value:
            raise ValueError(
                f"tool {name!r}: {key}={value!r} contradicts {key}_hint={other!r} of "
                "its annotations; leave one of the two out"
            )
    if joined.get("readOnlyHint") and joined.get("destructiveHint"):
        raise ValueError(
            f"tool {name!r} cannot be both read-only and destructive; leave one of "
            "the two out"
        )
    return joined


def _first(given: Text | None, otherwise: str | None) -> Text | None:
    """Give a text unless it is blank; a lazy one, which is not read yet, never is."""
    is_said = isinstance(given, Promise) or (given is not None and given.strip())
    return given if is_said else otherwise


def check_uri(uri: str, scheme: str) -> None:
    """Refuse what no resource can be registered at.

    Args:
        uri: URI or template.
        scheme: One to propose.

    Raises:
        ValueError: It is no text, or not absolute.
    """
    if not isinstance(uri, str):
        raise ValueError(
            "resource needs a URI or a template, as in "
            f'@server.resource("shop://orders/{{order_id}}"), not {uri!r}'
        )
    if not _ABSOLUTE.match(uri):
        raise ValueError(
            f"resource {uri!r} is no absolute URI; begin it with a scheme of your "
            f"own, such as '{scheme}://'"
        )


def make_resource(
    function: Callable[..., Any],
    uri: str,
    *,
    name: str | None,
    description: Text | None,
    mime_type: str | None,
    size: int | None,
    permission: Permission | None,
    scope: Scope | None,
    atomic: Atomic | None,
    max_result_bytes: int | None,
    timeout: float | None,
    cache: CacheHints,
    screen: bool,
    **shown: Any,
) -> Resource:
    """Make a resource; the arguments are those of `Server.resource`.

    Args:
        shown: Those that only lists show.

    Raises:
        ValueError: The URI is malformed, or the function's parameters are not the
            template's variables.
    """
    shown_name = f"resource {uri!r}"
    check_texts(shown_name, title=shown.get("title"), description=description)
    check_fixed_texts(shown_name, name=name, mime_type=mime_type)
    read_atomic(shown_name, atomic)
    check_count(shown_name, "max_result_bytes", max_result_bytes, least=1)
    check_seconds(shown_name, "timeout", timeout)
    check_count(shown_name, "size", size, least=0)
    check_flags(shown_name, screen=screen)
    check_mappings(shown_name, meta=shown.get("meta"))
    template = UriTemplate.parse(uri) if "{" in uri or "}" in uri else None
    resource_name = name_of(function) if name is None else name
    handler = make_handler(
        function,
        name=resource_name,
        feature=FeatureName("resource", uri),
        atomic=atomic,
        timeout=timeout,
    )
    _check_variables(resource_name, handler.signature.input_schema, template)
    entry = make_entry(
        **{"uriTemplate" if template else "uri": uri},
        name=resource_name,
        description=_first(description, handler.signature.description),
        mimeType=mime_type,
        size=None if template else size,
        **shown,
    )
    check_annotations(shown_name, entry.get("annotations"), mcp_types.Annotations)
    form = mcp_types.ResourceTemplate if template else mcp_types.Resource
    check_entry(shown_name, entry, form)
    variables = template.variables if template else ()
    needed = read_permission(permission, shown_name, handler.signature, variables)
    return Resource(
        resource_name,
        uri,
        template,
        entry,
        handler,
        mime_type,
        needed,
        read_needed(shown_name, scope, reads=True),
        cache,
        max_result_bytes,
        screen is not False,
    )


def make_prompt(
    function: Callable[..., Any],
    *,
    name: str | None,
    description: Text | None,
    permission: Permission | None,
    scope: Scope | None,
    atomic: Atomic | None,
    max_result_bytes: int | None,
    timeout: float | None,
    **shown: Any,
) -> Prompt:
    """Make a prompt; the arguments are those of `Server.prompt`.

    Args:
        shown: Those that only lists show.

    Raises:
        ValueError: The name is not allowed, or the function cannot be a prompt.
    """
    prompt_name = check_name("prompt", name_of(function) if name is None else name)
    shown_name = f"prompt {prompt_name!r}"
    check_texts(shown_name, title=shown.get("title"), description=description)
    read_atomic(shown_name, atomic)
    check_count(shown_name, "max_result_bytes", max_result_bytes, least=1)
    check_seconds(shown_name, "timeout", timeout)
    check_mappings(shown_name, meta=shown.get("meta"))
    handler = make_handler(
        function,
        name=prompt_name,
        feature=FeatureName("prompt", prompt_name),
        atomic=atomic,
        timeout=timeout,
    )
    entry = make_entry(
        name=prompt_name,
        description=_first(description, handler.signature.description),
        arguments=[
            make_entry(
                name=parameter.name,
                title=parameter.title,
                description=_describe_for_people(
                    parameter, handler.signature.input_schema
                ),
                required=parameter.required,
            )
            for parameter in handler.signature.parameters
        ],
        **shown,
    )
    check_entry(shown_name, entry, mcp_types.Prompt)
    needed = read_permission(permission, shown_name, handler.signature)
    scopes = read_needed(shown_name, scope, reads=True)
    return Prompt(prompt_name, entry, handler, needed, scopes, max_result_bytes)


def _describe_for_people(parameter: Parameter, schema: JSONObject) -> Text | None:
    """Describe an argument of a prompt, which is text that people write.

    Args:
        parameter: The argument.
        schema: That of all arguments.

    Spec: 2025-11-25 schema.ts, `GetPromptRequestParams.arguments`.
    """
    described = schema["properties"][parameter.name]
    possible = Fitting(schema).possible(described)
    if possible.is_text or not (possible.arrays or possible.objects):
        return parameter.description
    hint = "As JSON text."
    shape = {k: v for k, v in described.items() if k not in _SAID_BESIDE}
    if not (any(references_in(shape)) or has_lazy_text(shape)):
        hint = f"As JSON text that fits {json.dumps(shape, default=str)}"
    if parameter.description is None:
        return hint
    if isinstance(parameter.description, Promise):
        return format_lazy("{}\n\n{}", parameter.description, hint)
    return f"{parameter.description}\n\n{hint}"


def make_completion(
    function: Callable[..., Any], feature: Prompt | Resource, argument: str
) -> Completion:
    """Make what suggests values for an argument of a feature.

    Raises:
        ValueError: The function takes something that it cannot be given.
    """
    name = name_of(function)
    handler = make_handler(function, name=name)
    schema = handler.signature.input_schema
    if "value" not in schema["properties"] and (
        schema.get("additionalProperties") is False
    ):
        raise ValueError(
            f"completion {name} must take value, the text typed so far; name a "
            "parameter so"
        )
    unknown = schema["properties"].keys() - {"value", "arguments"}
    if unknown:
        raise ValueError(
            f"completion {name} takes {sorted(unknown)!r}; it may take value, "
            "arguments and a context"
        )
    guards = guards_of(feature.permission, feature.handler.signature)
    return Completion(handler, argument, guards)


def _check_variables(
    name: str, schema: Mapping[str, Any], template: UriTemplate | None
) -> None:
    """Refuse a function that cannot be called with a template's variables."""
    variables = set(template.variables) if template else set()
    parameters = set(schema["properties"])
    required = set(schema.get("required", ()))
    takes_all = schema.get("additionalProperties") is not False
    if (variables - parameters and not takes_all) or required - variables:
        raise ValueError(
            f"resource {name}: the function takes {sorted(parameters)!r}, the URI has "
            f"the variables {sorted(variables)!r}; they must be the same"
        )
