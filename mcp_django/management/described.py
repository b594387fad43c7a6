"""What a server offers, as JSON: what clients see, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.permissions import Permissions, path_of
from mcp_django.server.prices import price_of, price_of_server
from mcp_django.server.server import Server
from mcp_django.server.showing import shown, translated
from mcp_django.server.switched_off import switched_off

LISTS: Final = ("tools", "resources", "resourceTemplates", "prompts")
"""The lists of features that a server is described with."""


IsOff: TypeAlias = Callable[[Server, Tool | Resource | Prompt], bool | None]
"""Says whether a feature is switched off; None if that is not known."""


def describe(
    server: Server,
    *,
    is_off: IsOff = switched_off.covers,
    with_tokens: bool = False,
) -> JSONObject:
    """Describe a server with all its features, in the order of registering.

    Args:
        server: Which one.
        is_off: Asked of each feature.
        with_tokens: Whether to say what it costs a model; see `server.prices`.
    """
    described: JSONObject = dict(translated(server, server.implementation))
    if instructions := translated(server, {"instructions": server.instructions}).get(
        "instructions"
    ):
        described["instructions"] = instructions
    fixed, templates = resources_of(server)
    of_feature = partial(
        _describe_feature, server, is_off=is_off, with_tokens=with_tokens
    )
    described |= {
        "scopes": translated(server, dict(server.scopes)),
        "loginScopes": list(server.login_scopes),
        "tools": [of_feature(tool) for tool in server.tools.values()],
        "resources": [of_feature(resource) for resource in fixed],
        "resourceTemplates": [
            of_feature(template)
            | {"variables": translated(server, template.handler.signature.input_schema)}
            for template in templates
        ],
        "prompts": [of_feature(prompt) for prompt in server.prompts.values()],
        "completions": [
            {
                "of": of,
                "argument": argument,
                "handler": path_of(c.handler.signature.function),
            }
            for (of, argument), c in server.completions.items()
        ],
    }
    return described | ({"tokens": _tokens_of(server)} if with_tokens else {})


def _tokens_of(server: Server) -> JSONObject:
    price = price_of_server(server)
    return {
        "instructions": price.instructions,
        "tools": price.tools,
        "standing": price.standing,
        "others": price.others,
    }


def _describe_feature(
    server: Server,
    feature: Tool | Resource | Prompt,
    *,
    is_off: IsOff,
    with_tokens: bool,
) -> JSONObject:
    """Give what clients see of a feature, and what they do not see."""
    described = shown(server, feature) | {
        "permission": name_permission(feature.permission),
        "scopes": sorted(feature.scopes),
        "handler": path_of(feature.handler.signature.function),
        "switchedOff": is_off(server, feature),
    }
    return described | ({"tokens": price_of(server, feature)} if with_tokens else {})


def resources_of(server: Server) -> tuple[list[Resource], list[Resource]]:
    """Give fixed resources and templates."""
    resources = server.resources.values()
    return (
        [resource for resource in resources if resource.template is None],
        [resource for resource in resources if resource.template is not None],
    )


def name_permission(permission: Permissions | None) -> str | None:
    """Name permissions: Django's names, and paths of the functions that decide."""
    return None if permission is None else str(permission)
