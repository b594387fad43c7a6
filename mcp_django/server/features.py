"""Tools, resources and prompts, as they are registered and called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mcp_types import Annotations, Icon, ToolAnnotations
from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import BaseModel

from mcp_django.exceptions import ErrorAnswer, ToolError
from mcp_django.protocol import versions
from mcp_django.protocol.http_headers import Mirrored
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.uris import fold, normalize
from mcp_django.server.cache_hints import NEVER_CACHE, CacheHints
from mcp_django.server.django_errors import NOT_FOUND, Refusal
from mcp_django.server.errors import NOT_PERMITTED, ResourceNotFound
from mcp_django.server.handlers import Handler
from mcp_django.server.permissions import Permissions
from mcp_django.server.requests import Request
from mcp_django.server.results.prompt_results import PromptOutput
from mcp_django.server.results.resource_contents import ResourceOutput, RowOutput
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.rights import is_permitted_for
from mcp_django.server.showing import shown
from mcp_django.server.texts import has_lazy_text
from mcp_django.server.uris.uri_templates import UriTemplate

if TYPE_CHECKING:
    from mcp_django.server.server import Server

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client's model may call.

    Attributes:
        mirrored: Which of its parameters clients repeat in HTTP headers.
        scopes: What a credential has to allow, if it does not allow everything.
        max_result_bytes: Largest answer; None for that of the site.
        has_lazy_text: Whether its entry is translated for each request.
    """

    name: str
    entry: JSONObject
    handler: Handler
    output: ToolOutput
    permission: Permissions | None
    scopes: frozenset[str]
    mirrored: Mirrored
    max_result_bytes: int | None = None
    has_lazy_text: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_lazy_text", has_lazy_text(self.entry))

    async def call(
        self, server: Server, request: Request, arguments: Mapping[str, JSON] | None
    ) -> JSONObject:
        """Run the tool and give its `CallToolResult`.

        Raises:
            InvalidArguments: The arguments do not fit.
            ToolError: The user may not call it with these.
        """
        keywords = self.handler.signature.arguments(arguments)
        if self.permission is not None and not await is_permitted_for(
            server, request, self, keywords
        ):
            request.refused_because = NOT_PERMITTED
            raise ToolError(NOT_FOUND)
        result = await self.handler.call(server, request, keywords, self.output)
        if request.version == versions.NEWEST:  # on the hot path: it is written so
            return result
        return versions.adapt_tool_result(
            result, request.version, schema=self.output.schema
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to read: at one URI, or at all that a template matches.

    Attributes:
        uri: URI or template, as it was registered.
        scopes: As of a tool.
        normal_uri: As others write the same; see `protocol.uris.normalize`.
        folded_uri: The same for more of them; see `protocol.uris.fold`.
        rows: Reads the rows in what the handler returns.
        screen: Whether values that are dangerous in a path are refused.
        max_result_bytes: Largest answer; None for that of the site.
    """

    name: str
    uri: str
    template: UriTemplate | None
    entry: JSONObject
    handler: Handler
    mime_type: str | None
    permission: Permissions | None
    scopes: frozenset[str]
    cache: CacheHints = NEVER_CACHE
    max_result_bytes: int | None = None
    screen: bool = True
    has_lazy_text: bool = field(init=False)
    normal_uri: str = field(init=False)
    folded_uri: str = field(init=False)
    rows: RowOutput = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_lazy_text", has_lazy_text(self.entry))
        object.__setattr__(self, "normal_uri", normalize(self.uri))
        object.__setattr__(self, "folded_uri", fold(self.uri))
        object.__setattr__(self, "rows", RowOutput(self.handler.signature.returns))

    def match(self, uri: str) -> Mapping[str, Any] | None:
        """Give the arguments for reading a URI; None if it is not of this resource."""
        if self.template is None:
            return {} if uri == self.uri else None
        return self.template.match(uri)

    async def check_permitted(
        self, server: Server, request: Request, uri: str, values: Mapping[str, Any]
    ) -> None:
        """Refuse a user who may not read what is at a URI.

        Args:
            server: Where the resource is.
            request: Says which user asks.
            uri: For the error.
            values: Arguments of the handler, checked already.

        Raises:
            ResourceNotFound: The user may not.
        """
        if not await is_permitted_for(server, request, self, values):
            refused = ResourceNotFound(uri)
            refused.reason = NOT_PERMITTED
            raise refused

    async def read(
        self, server: Server, request: Request, uri: str, arguments: Mapping[str, Any]
    ) -> list[JSONObject]:
        """Read the contents at a URI that matched.

        Raises:
            InvalidArguments: The variables do not fit the function's annotations.
            ResourceNotFound: There is nothing at this URI for this user.
        """
        output = ResourceOutput(self.rows, uri, self.mime_type)
        try:
            keywords = self.handler.signature.arguments(arguments)
            if self.permission is not None:
                await self.check_permitted(server, request, uri, keywords)
            result = await self.handler.call(server, request, keywords, output)
        except Exception as error:
            refusal = Refusal.of(error)
            if refusal is None or refusal.status != 404:
                raise
            refusal.log(error, request.describe())
            raise ResourceNotFound(uri) from error
        return versions.adapt_contents(result["contents"], request.version)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template for messages, for the user to choose.

    Attributes:
        scopes: As of a tool.
        max_result_bytes: Largest answer; None for that of the site.
    """

    name: str
    entry: JSONObject
    handler: Handler
    permission: Permissions | None
    scopes: frozenset[str]
    max_result_bytes: int | None = None
    has_lazy_text: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_lazy_text", has_lazy_text(self.entry))

    async def get(
        self, server: Server, request: Request, arguments: Mapping[str, str] | None
    ) -> JSONObject:
        """Fill in the template and give its `GetPromptResult`.

        Raises:
            InvalidArguments: The arguments do not fit.
            ErrorAnswer: The user may not get it with these.
        """
        keywords = self.handler.signature.arguments(arguments)
        if self.permission is not None and not await is_permitted_for(
            server, request, self, keywords
        ):
            refused = ErrorAnswer(INVALID_PARAMS, NOT_FOUND)
            refused.reason = NOT_PERMITTED
            raise refused

        output = PromptOutput(lambda: shown(server, self).get("description"))
        result = await self.handler.call(server, request, keywords, output)
        return versions.adapt_prompt_result(result, request.version)


def check_name(kind: str, name: str) -> str:
    """Give a feature's name back if the protocol allows it.

    Raises:
        ValueError: It does not.

    Spec: 2025-11-25 server/tools, "Tool Names".
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{kind} name {name!r} must be 1 to 128 of the characters A-Z a-z 0-9 _ . -"
            "; pass another name="
        )
    return name


def make_entry(**members: Any) -> JSONObject:
    """Make what a list shows of a feature: models dumped, absent members left out.

    Lazy texts stay as they are. Keys are the wire's names; `meta` stands for `_meta`.
    """
    return {
        "_meta" if key == "meta" else key: _dump(value)
        for key, value in members.items()
        if value is not None
    }


def _dump(value: Annotations | ToolAnnotations | Sequence[Icon] | JSON) -> JSON:
    if isinstance(value, BaseModel):
        # Not as JSON, which knows no lazy texts.
        return value.model_dump(by_alias=True, exclude_none=True, warnings=False)
    if isinstance(value, list | tuple):
        return [_dump(item) for item in value]
    return value
