"""`Server`: what a Django developer registers tools, resources and prompts on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar, overload

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.urls import URLPattern
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from mcp_types import (
    Annotations,
    BlobResourceContents,
    Icon,
    Implementation,
    TextResourceContents,
    ToolAnnotations,
)

from mcp_django.auth.interface import User
from mcp_django.protocol import versions
from mcp_django.protocol.eras import ERAS
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.cache_hints import CacheHints, CacheScope
from mcp_django.server.completions import Completion
from mcp_django.server.declarations import (
    check_count,
    check_entry,
    check_fixed_texts,
    check_texts,
    naming,
)
from mcp_django.server.endpoints import url_patterns
from mcp_django.server.errors import (
    NOT_PERMITTED,
    SWITCHED_OFF,
    UNKNOWN,
    ResourceNotFound,
)
from mcp_django.server.features import Prompt, Resource, Tool, check_name, make_entry
from mcp_django.server.functions import place_of
from mcp_django.server.handlers import Around, make_around
from mcp_django.server.notices import Notice, send_after_commit
from mcp_django.server.permissions import Permission
from mcp_django.server.registration import (
    check_uri,
    make_completion,
    make_prompt,
    make_resource,
    make_tool,
)
from mcp_django.server.requests import Request
from mcp_django.server.rights import is_permitted
from mcp_django.server.scopes import (
    Scope,
    check_allowed,
    check_declared,
    read_scopes,
    read_words,
)
from mcp_django.server.showing import translated
from mcp_django.server.switched_off import TEXT, SwitchedFeature, switched_off
from mcp_django.server.texts import Text, has_lazy_text
from mcp_django.server.transactions import Atomic
from mcp_django.server.uris.identity import ResourceKeys, matches
from mcp_django.server.uris.screening import fault_of
from mcp_django.server.watching import Source, Watch
from mcp_django.transports.base import Transport
from mcp_django.transports.stream_pair import Mirror, StreamPairTransport, closing

Function = TypeVar("Function", bound=Callable[..., Any])
Registered = TypeVar("Registered", Tool, Resource, Prompt)


class Decorator(Protocol):
    """What registers a function and gives it back unchanged."""

    def __call__(self, function: Function, /) -> Function: ...


class Server:
    """A set of features under one name, at its own URLs.

    Make one at the top of an app's `mcp.py`, where it is found by autodiscovery, and
    register functions on it with the decorators. Registering is done while modules
    are imported, before the first client comes.

    Args:
        name: Names the server to programs; 1 to 128 of A-Z a-z 0-9 _ . -
        version: Version of what you offer, for clients to show.
        title: Name for people.
        description: What it is, in a sentence.
        instructions: How to use it, for the client's model.
        website_url: Where to read more.
        icons: For people to recognize it.
        page_size: Features on one page of a list; `MCP["PAGE_SIZE"]` if left out.
        ttl_ms: Milliseconds for which clients may take the lists of features as
            fresh.
        cache_scope: "public" if caches may show the lists to every user; no feature
            can have a permission then.
        scopes: What programs may be allowed beside "mcp:read" and "mcp:write", which
            each server has: scope -> what it allows, in words for the user who is
            asked.
        login_scopes: The scopes that programs shall ask for when their user logs in;
            those that the features need if left out.

    Raises:
        ValueError: The name, the page size, a cache hint or a scope is not allowed.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "1.0.0",
        title: Text | None = None,
        description: Text | None = None,
        instructions: Text | None = None,
        website_url: str | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        page_size: int | None = None,
        ttl_ms: int = 0,
        cache_scope: CacheScope = "private",
        scopes: Mapping[str, Text] | None = None,
        login_scopes: Scope | None = None,
    ) -> None:
        self.name = check_name("server", name)
        shown = f"server {name!r}"
        check_texts(
            shown,
            title=title,
            description=description,
            instructions=instructions,
            website_url=website_url,
        )
        check_fixed_texts(shown, version=version)
        check_count(shown, "page_size", page_size, least=1)
        self.instructions = instructions
        self.page_size = page_size
        self.cache = CacheHints(ttl_ms, cache_scope)
        self.implementation = make_entry(
            name=name,
            version=version,
            title=title,
            description=description,
            websiteUrl=website_url,
            icons=icons,
        )
        check_entry(shown, self.implementation, Implementation)
        self.has_lazy_text = has_lazy_text([self.implementation, instructions])
        self.cache.check_text(shown, is_lazy=self.has_lazy_text)
        self.scopes = read_words(shown, scopes)
        self._login_scopes: frozenset[str] | None = None
        if login_scopes is not None:
            named = read_scopes(shown, "login_scopes", login_scopes)
            check_declared(self, f"{shown}: login_scopes", named)
            self._login_scopes = named
        self.has_lazy_title = has_lazy_text(title)
        # A lazy title is added where there is a request to translate it for.
        self.server_info = make_entry(
            name=name, version=version, title=None if self.has_lazy_title else title
        )
        self.tools: dict[str, Tool] = {}
        self.resources: dict[str, Resource] = {}
        self.resource_keys = ResourceKeys(self.resources)
        self.prompts: dict[str, Prompt] = {}
        self.completions: dict[tuple[str, str], Completion] = {}
        self.arounds: list[Around] = []
        self.watches: list[Watch] = []
        # Made when it is asked for, and with what was switched off then.
        self.fingerprint: tuple[frozenset[SwitchedFeature], str] | None = None

    def __repr__(self) -> str:
        return f"<Server {self.name!r}>"

    @property
    def login_scopes(self) -> Sequence[str]:
        """The scopes that programs shall ask for when their user logs in, sorted.

        All that the features need, unless the server was told others: there are
        programs that cannot ask for more later.
        """
        if self._login_scopes is not None:
            return sorted(self._login_scopes)
        needed: set[str] = set()
        for registered in (self.tools, self.resources, self.prompts):
            for feature in registered.values():
                needed |= feature.scopes
        return sorted(needed)

    # Registering ----------------------------------------------------------------

    @overload
    def tool(self, function: Function, /) -> Function: ...

    @overload
    def tool(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        title: Text | None = None,
        description: Text | None = None,
        annotations: ToolAnnotations | Mapping[str, Any] | None = None,
        read_only: bool | None = None,
        destructive: bool | None = None,
        idempotent: bool | None = None,
        open_world: bool | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scope: Scope | None = None,
        atomic: Atomic | None = None,
        max_result_bytes: int | None = None,
        timeout: float | None = None,
        input_schema: Mapping[str, Any] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        structured: bool | None = None,
    ) -> Decorator: ...

    def tool(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        title: Text | None = None,
        description: Text | None = None,
        annotations: ToolAnnotations | Mapping[str, Any] | None = None,
        read_only: bool | None = None,
        destructive: bool | None = None,
        idempotent: bool | None = None,
        open_world: bool | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scope: Scope | None = None,
        atomic: Atomic | None = None,
        max_result_bytes: int | None = None,
        timeout: float | None = None,
        input_schema: Mapping[str, Any] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        structured: bool | None = None,
    ) -> Any:
        """Register a function that the client's model may call.

        Use it bare or with arguments. The function's signature becomes the input
        schema, its return annotation the output schema, its docstring the
        description.

        Args:
            function: The function, when used bare.
            name: The function's name if left out.
            title: Name for people.
            description: The docstring's text if left out.
            annotations: Hints for clients; those below are shorter to write.
            read_only: Whether it leaves everything as it was.
            destructive: Whether it may do more than add.
            idempotent: Whether calling it twice does no more than once.
            open_world: Whether it reaches beyond what the site knows.
            icons: For people to recognize it.
            meta: The entry's `_meta`.
            permission: A Django permission such as "shop.change_order", or a
                function from context to bool; others do not see the tool.
            scope: What a credential has to allow, such as "library:lend", if it does
                not allow everything; several all have to be there. "mcp:read" for a
                tool that is read-only and "mcp:write" for others if left out. Others
                see the tool, and are told what they need when they call it.
            atomic: Whether a `def` function runs in a transaction. If left out, on
                each database that has `ATOMIC_REQUESTS`; True adds the default
                database, False means on none, aliases mean on these and no others.
            max_result_bytes: Largest answer, as it is sent, instead of
                `MCP["MAX_RESULT_BYTES"]`; what is larger becomes an error that tells
                the model to ask for less.
            timeout: Seconds that one run may take, instead of
                `MCP["HANDLER_TIMEOUT"]`. Then an `async def` function is cancelled; a
                `def` function cannot be stopped, and goes on without an answer.
            input_schema: Verbatim JSON Schema, shown instead of the signature's;
                arguments are checked against it and passed as they are.
            output_schema: Verbatim JSON Schema of the structured result.
            structured: False to send text only; True to insist on a schema, also
                for text, which has none if left out.

        Raises:
            ValueError: The name is taken or not allowed, the function cannot be a
                tool, its hints contradict each other, or the server does not have the
                scope.

        Spec: 2025-11-25 server/tools.
        """

        def register(function: Function) -> Function:
            tool = make_tool(
                function,
                name=name,
                title=title,
                description=description,
                annotations=annotations,
                read_only=read_only,
                destructive=destructive,
                idempotent=idempotent,
                open_world=open_world,
                icons=icons,
                meta=meta,
                permission=permission,
                scope=scope,
                atomic=atomic,
                max_result_bytes=max_result_bytes,
                timeout=timeout,
                input_schema=input_schema,
                output_schema=output_schema,
                structured=structured,
            )
            self._add("tool", tool.name, tool, self.tools)
            return function

        return register if function is None else register(function)

    def resource(
        self,
        uri: str,
        *,
        name: str | None = None,
        title: Text | None = None,
        description: Text | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        annotations: Annotations | Mapping[str, Any] | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scope: Scope | None = None,
        atomic: Atomic | None = None,
        max_result_bytes: int | None = None,
        timeout: float | None = None,
        ttl_ms: int = 0,
        cache_scope: CacheScope = "private",
        screen: bool = True,
    ) -> Decorator:
        """Register a function that reads a resource, or all that a template matches.

        Args:
            uri: A fixed URI, or an RFC 6570 template whose variables are the
                function's parameters.
            name: The function's name if left out.
            title: Name for people.
            description: The docstring's text if left out.
            mime_type: Of the contents; text is "text/plain", bytes are
                "application/octet-stream" and other values JSON if left out.
            size: Of the contents in bytes, for a fixed URI.
            annotations: Audience, priority and last change.
            icons: For people to recognize it.
            meta: The entry's `_meta`.
            permission: As for `tool`.
            scope: As for `tool`; "mcp:read" if left out.
            atomic: As for `tool`.
            max_result_bytes: As for `tool`.
            timeout: As for `tool`.
            ttl_ms: Milliseconds for which clients may take the contents as fresh.
            cache_scope: "public" if caches may show the contents to every user.
            screen: Whether URIs are refused in which a variable's value, percent-
                decoded, has ".." as a segment of a path, is an absolute path, or has a
                NUL character. False where such values are meant, and the function
                checks what it makes of them.

        Raises:
            ValueError: The URI is taken or malformed, the function's parameters are
                not the template's variables, or a cache hint is not allowed.

        Spec: 2025-11-25 server/resources; 2026-07-28 server/utilities/caching.
        """
        check_uri(uri, self.name)
        with naming(f"resource {uri!r}"):
            cache = CacheHints(ttl_ms, cache_scope)
        cache.check_limits(f"resource {uri!r}", permission=permission, scope=scope)

        def register(function: Function) -> Function:
            resource = make_resource(
                function,
                uri,
                name=name,
                title=title,
                description=description,
                mime_type=mime_type,
                size=size,
                annotations=annotations,
                icons=icons,
                meta=meta,
                permission=permission,
                scope=scope,
                atomic=atomic,
                max_result_bytes=max_result_bytes,
                timeout=timeout,
                cache=cache,
                screen=screen,
            )
            self._add("resource", uri, resource, self.resources)
            return function

        return register

    @overload
    def prompt(self, function: Function, /) -> Function: ...

    @overload
    def prompt(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        title: Text | None = None,
        description: Text | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scope: Scope | None = None,
        atomic: Atomic | None = None,
        max_result_bytes: int | None = None,
        timeout: float | None = None,
    ) -> Decorator: ...

    def prompt(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        title: Text | None = None,
        description: Text | None = None,
        icons: Sequence[Icon | Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        permission: Permission | None = None,
        scope: Scope | None = None,
        atomic: Atomic | None = None,
        max_result_bytes: int | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Register a function that makes messages for the user to choose.

        Use it bare or with arguments; the arguments are those of `tool`. The scope is
        "mcp:read" if left out.

        Raises:
            ValueError: The name is taken or not allowed, or the function cannot be
                a prompt.

        Spec: 2025-11-25 server/prompts.
        """

        def register(function: Function) -> Function:
            prompt = make_prompt(
                function,
                name=name,
                title=title,
                description=description,
                icons=icons,
                meta=meta,
                permission=permission,
                scope=scope,
                atomic=atomic,
                max_result_bytes=max_result_bytes,
                timeout=timeout,
            )
            self._add("prompt", prompt.name, prompt, self.prompts)
            return function

        return register if function is None else register(function)

    def completion(self, of: Callable[..., Any] | str, argument: str) -> Decorator:
        """Register a function that suggests values for an argument.

        The function takes `value`, what was typed so far, and may take `arguments`,
        the other arguments filled in already, and a context. It returns a list or
        another iterable, such as a queryset, of texts, best first; at most 100 are
        sent.

        Args:
            of: A prompt or resource template: its function, name or URI template.
            argument: The argument, or variable of the template.

        Raises:
            ValueError: There is no such prompt or template, or no such argument.

        Spec: 2025-11-25 server/utilities/completion.
        """
        feature, reference, known = self._find_completable(of)
        if argument not in known:
            raise ValueError(
                f"{reference!r} has no argument {argument!r}; it has {sorted(known)!r}"
            )
        if (reference, argument) in self.completions:
            other = self.completions[reference, argument].handler.signature.function
            raise ValueError(
                f"argument {argument!r} of {reference!r} has a completion already, "
                f"from {place_of(other)}"
            )

        def register(function: Function) -> Function:
            completion = make_completion(function, feature, argument)
            self.completions[reference, argument] = completion
            return function

        return register

    def around(self, function: Function) -> Function:
        """Register an async context manager around every handler of this server.

        The function takes a `Context` and yields once: an async generator function,
        or one that returns an async context manager. The first registered is the
        outermost. Each run of a handler is inside a new one.
        """
        self.arounds.append(make_around(function))
        return function

    # Telling clients ------------------------------------------------------------

    def watch(
        self,
        model: type[Model],
        resource: Callable[..., Any] | str,
        /,
        **variables: Source,
    ) -> None:
        """Tell clients that subscribed to a resource whenever rows of a model change.

        A row that is saved or deleted fills in the resource's template; clients that
        subscribed to this URI are told once the transaction is committed. A fixed URI
        is told of with every row. Updates of whole querysets, and what `bulk_create`
        makes, send no signals: call `resource_updated` for those.

        Args:
            model: The model; its proxies and children count as well.
            resource: A resource: its function, URI or template.
            variables: For variables of the template: an attribute of the row, such as
                "author.slug", or a function that is given the row. The attribute of
                the same name where it is left out.

        Raises:
            ValueError: There is no such resource, variable or attribute, or the model
                is watched for this resource already.
        """
        found = self._find_resource(resource)
        if any(w.model is model and w.resource is found for w in self.watches):
            raise ValueError(
                f"{model.__name__} is watched for {found.uri!r} already; once is enough"
            )
        self.watches.append(Watch.of(self, model, found, variables))

    def tools_changed(self) -> None:
        """Tell clients that the list of tools changed, for all or for some users."""
        self.fingerprint = None
        send_after_commit(self, Notice("tools"))

    def resources_changed(self) -> None:
        """Tell clients that the list of resources changed."""
        self.fingerprint = None
        send_after_commit(self, Notice("resources"))

    def prompts_changed(self) -> None:
        """Tell clients that the list of prompts changed."""
        self.fingerprint = None
        send_after_commit(self, Notice("prompts"))

    def resource_updated(
        self, uri: str, *, using: str = DEFAULT_DB_ALIAS, is_gone: bool = False
    ) -> None:
        """Tell clients that subscribed to a resource that it changed.

        Args:
            uri: Of the resource.
            using: Alias of the database that it comes from; clients are told once its
                open transaction is committed.
            is_gone: Whether it is no longer there. Then its handler is not asked who
                may read it: users are told who were found to be allowed within the last
                `RECHECK_SECONDS`, or whom a permission that takes the URI's variables
                allows.
        """
        send_after_commit(self, Notice("resource", str(uri), is_gone), using)

    def elicitation_done(self, elicitation_id: str) -> None:
        """Tell the client that asked its user to visit a page that the visit ended."""
        send_after_commit(self, Notice("elicitation", str(elicitation_id)))

    # Serving --------------------------------------------------------------------

    async def run(self, read: Any, write: Any, *, user: User | None = None) -> None:
        """Serve one client over a pair of streams, until it says no more.

        ::

            async with stdio_server() as (read, write):
                await server.run(read, write)

        Args:
            read: Gives messages, or items with a message each, such as the official
                SDK's; closed at the end.
            write: Takes the same kind of item; closed at the end.
            user: The one as which the client works; None for an anonymous user.
        """
        mirror = Mirror()
        transport = StreamPairTransport(
            closing(read, write), wrap=mirror.wrap, unwrap=mirror.unwrap
        )
        await self.connect(transport, user=user)

    async def connect(self, transport: Transport, *, user: User | None = None) -> None:
        """Serve one client over a transport, until either side closes it.

        Args:
            transport: The server's half of any, not started yet; closed at the end.
            user: The one as which the client works; None leaves it to the transport to
                say who sends each message.
        """
        await _serve()(self, transport, user=user)

    def urls(self, prefix: str = "mcp") -> list[URLPattern]:
        """Give the URL patterns of this server, for a `urlpatterns` list.

        Args:
            prefix: Path of the server below the including URLconf, such as "mcp".

        Raises:
            ValueError: The prefix is no text.
        """
        if not isinstance(prefix, str):
            raise ValueError(f"prefix must be text such as 'mcp', not {prefix!r}")
        return url_patterns(self, prefix)

    def describe(self, version: str, *, has_streams: bool = True) -> JSONObject:
        """Say what the server is, as `initialize` and `server/discover` answer.

        Lazy texts are translated into the language that is active. In the modern era
        serverInfo is not part of it, but of every result's `_meta`.
        """
        described: JSONObject = {
            "capabilities": self.capabilities(version, has_streams=has_streams)
        }
        if not ERAS[version].signs_results:
            described["serverInfo"] = versions.adapt_entry(
                "implementation", self.implementation, version
            )
        if isinstance(self.instructions, Promise) or self.instructions:
            described["instructions"] = self.instructions
        return translated(self, described) if self.has_lazy_text else described

    def capabilities(self, version: str, *, has_streams: bool = True) -> JSONObject:
        """Give the `ServerCapabilities`: what there are features for.

        Args:
            version: Protocol version.
            has_streams: Whether the client can be told of changes.
        """
        capabilities: JSONObject = {"logging": {}}
        changes = {"listChanged": True} if has_streams else {}
        if self.tools:
            capabilities["tools"] = {**changes}
        if self.resources:
            subscribe = {"subscribe": True} if has_streams else {}
            capabilities["resources"] = {**subscribe, **changes}
        if self.prompts:
            capabilities["prompts"] = {**changes}
        if self.completions and version in versions.COMPLETIONS:
            capabilities["completions"] = {}
        return capabilities

    async def find_resource(
        self, uri: str, request: Request
    ) -> tuple[Resource, Mapping[str, Any]]:
        """Find what reads a URI for the user of a request; fixed URIs come first.

        Raises:
            ResourceNotFound: There is nothing, or nothing that this user may read; or a
                value in the URI is dangerous in a path.
            AuthenticationFailed: What reads it needs a scope that is not there.
        """
        error = ResourceNotFound(uri)
        for resource, arguments in matches(self.resources, uri):
            if await is_permitted(self, request, resource):
                if switched_off.is_any and await switched_off.has(
                    self, request, resource
                ):
                    error = ResourceNotFound.of_fault(uri, f"it {TEXT}", SWITCHED_OFF)
                    continue
                check_allowed(self, request, resource)
                fault = fault_of(arguments) if resource.screen else None
                if fault is None:
                    return resource, arguments
                error = ResourceNotFound.of_fault(uri, fault)
            elif error.reason == UNKNOWN:
                error.reason = NOT_PERMITTED
        raise error

    async def read_resource(
        self, uri: str, request: Request
    ) -> list[TextResourceContents | BlobResourceContents]:
        """Read a resource for the user of a request.

        Raises:
            ResourceNotFound: There is nothing, or nothing that this user may read.
            AuthenticationFailed: What reads it needs a scope that is not there.
        """
        uri = str(uri)  # which may be lazy
        resource, arguments = await self.find_resource(uri, request)
        contents = await resource.read(self, request, uri, arguments)
        return [
            BlobResourceContents.model_validate(item)
            if "blob" in item
            else TextResourceContents.model_validate(item)
            for item in contents
        ]

    def _find_resource(self, of: Callable[..., Any] | str) -> Resource:
        for resource in self.resources.values():
            if of in (resource.uri, resource.handler.signature.function):
                return resource
        raise ValueError(
            f"server {self.name!r} has no resource {of!r}; register it before it is "
            "watched"
        )

    def _find_completable(
        self, of: Callable[..., Any] | str
    ) -> tuple[Prompt | Resource, str, Sequence[str]]:
        for prompt in self.prompts.values():
            signature = prompt.handler.signature
            if of in (prompt.name, signature.function):
                return prompt, prompt.name, [p.name for p in signature.parameters]
        for resource in self.resources.values():
            if resource.template is not None and (
                of in (resource.uri, resource.handler.signature.function)
            ):
                return resource, resource.uri, resource.template.variables
        raise ValueError(
            f"server {self.name!r} has no prompt or resource template {of!r}; register "
            "it before its completions"
        )

    def _add(
        self,
        kind: str,
        name: str,
        feature: Registered,
        registered: dict[str, Registered],
    ) -> None:
        if name in registered:
            place = place_of(registered[name].handler.signature.function)
            raise ValueError(
                f"{kind} {name!r} is already on server {self.name!r}, from {place}; "
                "give one of the two another name"
            )
        self.cache.check_limits(f"{kind} {name!r}", permission=feature.permission)
        self.cache.check_text(f"{kind} {name!r}", is_lazy=feature.has_lazy_text)
        check_declared(self, f"{kind} {name!r}", feature.scopes)
        registered[name] = feature
        self.fingerprint = None


@cache
def _serve() -> Callable[..., Awaitable[None]]:
    """Find what drives a connection: of a layer above this one."""
    serve: Callable[..., Awaitable[None]] = import_string(
        "mcp_django.sessions.serving.serve"
    )
    return serve
