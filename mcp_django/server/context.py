"""What a handler may use while it answers one request.

`Context` is for `async def` handlers, `SyncContext` for `def` handlers: the same
names, without `await`. Both are injected by annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio.lowlevel
from mcp_types import (
    BlobResourceContents,
    ClientCapabilities,
    CreateMessageResult,
    CreateMessageResultWithTools,
    Implementation,
    LoggingLevel,
    Root,
    SamplingMessage,
    TextResourceContents,
)
from mcp_types.jsonrpc import RequestId

from mcp_django.auth.interface import User, anonymous
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.asking import Answer
from mcp_django.server.outcomes import FeatureName, Outcome, Run
from mcp_django.server.questions import (
    Schema,
    form_question,
    roots_question,
    sample_question,
    url_question,
)
from mcp_django.server.reports import log_params, progress_params
from mcp_django.server.requests import Request
from mcp_django.server.session_lives import label_of
from mcp_django.server.texts import Text

if TYPE_CHECKING:
    from mcp_django.server.server import Server

T = TypeVar("T")

Contents: TypeAlias = TextResourceContents | BlobResourceContents


class _RequestContext:
    """What both kinds of context know and decide without waiting."""

    __slots__ = ("_request", "_run", "_server")

    def __init__(
        self, server: Server, request: Request, run: Run | None = None
    ) -> None:
        self._server = server
        self._request = request
        self._run = run

    @property
    def server(self) -> Server:
        """The server that the handler is registered on."""
        return self._server

    @property
    def user(self) -> User:
        """The site's user who asks; `AnonymousUser` without authentication."""
        user: User | None = self._request.sender.user
        return anonymous().user if user is None else user

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the credential allows of what the user may do; None for all of it."""
        return self._request.sender.scopes

    @property
    def method(self) -> str:
        """Method of the request, such as "tools/call"."""
        return self._request.method

    @property
    def feature(self) -> FeatureName | None:
        """The tool, resource or prompt that the handler is of.

        Of a completion, the one that is completed; None where there is none.
        """
        return self._request.feature if self._run is None else self._run.feature

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the handler is called with, by parameter, without the context."""
        return MappingProxyType({} if self._run is None else dict(self._run.arguments))

    @property
    def outcome(self) -> Outcome | None:
        """How the run of the handler ended, for `around`; None as long as it runs."""
        return None if self._run is None else self._run.outcome

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers of the request, names in lower case; empty without HTTP.

        Those that carry credentials (Authorization, Cookie) are left out.
        """
        return self._request.sender.headers

    @property
    def client_info(self) -> Implementation:
        """Name and version of the client program, as it says itself; a copy."""
        return self._request.peer.client_info.model_copy(deep=True)

    @property
    def client_capabilities(self) -> ClientCapabilities:
        """What the client declared to be able to; a copy."""
        return self._request.peer.client_capabilities.model_copy(deep=True)

    @property
    def protocol_version(self) -> str:
        """Protocol version of the answer, such as "2025-11-25"."""
        return self._request.version

    @property
    def session_id(self) -> str | None:
        """Id of the client's session; None where there are no sessions."""
        session = self._request.session
        return None if session is None else session.id

    @property
    def session_label(self) -> str | None:
        """Names that session in `session_opened` and `session_closed`; no credential.

        None where it has no id.
        """
        id = self.session_id
        return None if id is None else label_of(id)

    @property
    def request_id(self) -> RequestId:
        """JSON-RPC id of the request."""
        return self._request.id

    @property
    def meta(self) -> Mapping[str, Any]:
        """The request's `_meta` object, empty if it has none."""
        return self._request.meta

    @property
    def is_cancelled(self) -> bool:
        """Whether the answer is waited for no longer; ask this in long loops.

        The client may be gone, or the handler took longer than its timeout.
        """
        return self._request.is_cancelled or self._is_given_up

    @property
    def _is_given_up(self) -> bool:
        return self._run is not None and self._run.is_given_up


class Context(_RequestContext):
    """What an `async def` handler may use while it answers one request."""

    __slots__ = ()

    async def report_progress(
        self,
        progress: float,
        total: float | None = None,
        message: Text | None = None,
    ) -> None:
        """Tell the client how far the request is.

        Nothing is sent if the client did not ask for it, or if `progress` is not
        larger than the last one.

        Args:
            progress: Any measure that grows.
            total: The measure at the end, if known.
            message: What is being done now, for the user.

        Spec: 2025-11-25 basic/utilities/progress.
        """
        if self._is_given_up:  # it was answered
            return
        params = progress_params(self._request, progress, total, message)
        if params is not None:
            await self._request.notify("notifications/progress", params)

    async def log(
        self, level: LoggingLevel, data: JSON, logger: str | None = None
    ) -> None:
        """Send a log message to the client, if its session wants such ones.

        Args:
            level: Severity, from "debug" to "emergency".
            data: Any JSON value; no secrets.
            logger: Name of whatever logs.

        Spec: 2025-11-25 server/utilities/logging.
        """
        if self._is_given_up:  # it was answered
            return
        params = log_params(self._request, level, data, logger)
        if params is not None and await self._request.wants_log(level):
            await self._request.notify("notifications/message", params)

    async def elicit(
        self, message: Text, schema: Schema, *, key: str | None = None
    ) -> Answer:
        """Ask the user to fill in a form.

        The handler is run again from the top with the answer, so what it did before
        this line is done again. If an answer does not fit, the user is asked again,
        and told what was wrong; three such answers are an `AskFailed`.

        Args:
            message: What to tell the user.
            schema: A pydantic model with fields of simple types, or a verbatim
                `requestedSchema`.
            key: Names the question where the order of questions may change between
                runs; else they are told apart by their order.

        Raises:
            CapabilityMissing: The client did not declare `elicitation`.
            AskFailed: It answered with an error, too late, or never with what fits.

        Spec: 2025-11-25 client/elicitation.
        """
        question = form_question(self._request, message, schema, key)
        return await self._request.answers.ask_together(question)

    async def elicit_url(
        self,
        message: Text,
        url: Text,
        *,
        elicitation_id: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Ask the user to visit a page; the answer says whether they agreed to.

        Call `server.elicitation_done(id)` in the view that ends the visit.

        Args:
            message: Why the visit is needed.
            url: The page, without anything secret in it.
            elicitation_id: Names the visit; made for you if left out.
            key: As for `elicit`.

        Raises:
            CapabilityMissing: The client did not declare `elicitation.url`.
            AskFailed: It answered with an error, too late, or never with what fits.

        Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests".
        """
        question = url_question(self._request, message, url, elicitation_id, key)
        return await self._request.answers.ask_together(question)

    async def sample(
        self,
        messages: Text | Sequence[SamplingMessage],
        max_tokens: int,
        *,
        key: str | None = None,
        **params: Any,
    ) -> CreateMessageResult | CreateMessageResultWithTools:
        """Ask the client's language model.

        Args:
            messages: The conversation; text stands for one message of the user.
            max_tokens: Longest answer to make.
            key: As for `elicit`.
            params: Other fields of `mcp_types.CreateMessageRequestParams`, such as
                `system_prompt` or `temperature`.

        Raises:
            CapabilityMissing: The client did not declare `sampling`, or
                `sampling.tools` where `tools` are given.
            AskFailed: It answered with an error, too late, or never with what fits.

        Spec: 2025-11-25 client/sampling.
        """
        question = sample_question(self._request, messages, max_tokens, key, params)
        return await self._request.answers.ask_together(question)

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """Ask which folders and files the client lets servers work on.

        Raises:
            CapabilityMissing: The client did not declare `roots`.
            AskFailed: It answered with an error, too late, or never with what fits.

        Spec: 2025-11-25 client/roots.
        """
        return await self._request.answers.ask_together(
            roots_question(self._request, key)
        )

    async def read_resource(self, uri: str) -> list[Contents]:
        """Read one of the server's own resources, with this user's permissions.

        Raises:
            ResourceNotFound: There is none at this URI for this user.
        """
        return await self._server.read_resource(uri, self._request)

    async def close_stream(self, retry_ms: int | None = None) -> None:
        """End the HTTP connection of a 2025-11-25 call; the client comes back for it.

        Does nothing where streams cannot be resumed. The handler goes on, and the
        client gets what it reports and returns when it comes back.

        Args:
            retry_ms: Milliseconds after which the client shall come back.

        Raises:
            ValueError: There is no such time.

        Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
        """
        if retry_ms is not None and retry_ms < 0:
            raise ValueError(
                f"retry_ms must be 0 or more milliseconds, not {retry_ms!r}"
            )
        if self._request.close_stream is not None:
            await self._request.close_stream(retry_ms)


class SyncContext(_RequestContext):
    """What a `def` handler may use while it answers one request.

    The methods are those of `Context`, see there.
    """

    __slots__ = ("_token",)

    def __init__(
        self,
        server: Server,
        request: Request,
        token: anyio.lowlevel.EventLoopToken,
        run: Run | None = None,
    ) -> None:
        super().__init__(server, request, run)
        self._token = token

    def report_progress(
        self,
        progress: float,
        total: float | None = None,
        message: Text | None = None,
    ) -> None:
        """Tell the client how far the request is."""
        if self._is_given_up:  # it was answered
            return
        params = progress_params(self._request, progress, total, message)
        if params is not None:
            self._notify("notifications/progress", params)

    def log(self, level: LoggingLevel, data: JSON, logger: str | None = None) -> None:
        """Send a log message to the client, if its session wants such ones."""
        if self._is_given_up:  # it was answered
            return
        context = Context(self._server, self._request)
        self._wait_for(context.log, level, data, logger)

    def elicit(
        self, message: Text, schema: Schema, *, key: str | None = None
    ) -> Answer:
        """Ask the user to fill in a form."""
        return self._request.answers.ask(
            form_question(self._request, message, schema, key)
        )

    def elicit_url(
        self,
        message: Text,
        url: Text,
        *,
        elicitation_id: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Ask the user to visit a page; the answer says whether they agreed to."""
        question = url_question(self._request, message, url, elicitation_id, key)
        return self._request.answers.ask(question)

    def sample(
        self,
        messages: Text | Sequence[SamplingMessage],
        max_tokens: int,
        *,
        key: str | None = None,
        **params: Any,
    ) -> CreateMessageResult | CreateMessageResultWithTools:
        """Ask the client's language model."""
        question = sample_question(self._request, messages, max_tokens, key, params)
        return self._request.answers.ask(question)

    def list_roots(self, *, key: str | None = None) -> list[Root]:
        """Ask which folders and files the client lets servers work on."""
        return self._request.answers.ask(roots_question(self._request, key))

    def read_resource(self, uri: str) -> list[Contents]:
        """Read one of the server's own resources, with this user's permissions."""
        return self._wait_for(self._server.read_resource, uri, self._request)

    def close_stream(self, retry_ms: int | None = None) -> None:
        """End the HTTP connection of a call; the client comes back for it."""
        context = Context(self._server, self._request)
        self._wait_for(context.close_stream, retry_ms)

    def _notify(self, method: str, params: JSONObject) -> None:
        self._wait_for(self._request.notify, method, params)

    def _wait_for(
        self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any
    ) -> T:
        """Run a coroutine function in the event loop that waits for this thread."""
        return self._request.threads.wait_for(function, *arguments, token=self._token)
