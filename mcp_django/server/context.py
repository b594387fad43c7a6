"""What a handler may use while it answers one request.

`Context` is for `async def` handlers, `SyncContext` for `def` handlers: the same
names, without `await`. Both are injected by annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

import anyio.lowlevel
from django.utils.functional import Promise
from mcp_types import (
    BlobResourceContents,
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitResult,
    Implementation,
    ListRootsResult,
    LoggingLevel,
    Root,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from mcp_types.jsonrpc import RequestId
from pydantic import BaseModel, ValidationError

from mcp_django.auth.interface import User, nobody
from mcp_django.exceptions import (
    AskFailed,
    CapabilityMissing,
    UrlElicitationRequired,
)
from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.models import read_as
from mcp_django.server.asking import Answer, Question, QuestionsAsked
from mcp_django.server.forms import Form
from mcp_django.server.outcomes import FeatureName, Outcome, Run
from mcp_django.server.requests import LOG_LEVELS, Request
from mcp_django.server.schemas import explain
from mcp_django.server.texts import Text, plain

if TYPE_CHECKING:
    from mcp_django.server.server import Server

T = TypeVar("T")
Wire = TypeVar("Wire", bound=BaseModel)

Schema: TypeAlias = type[BaseModel] | Mapping[str, Any]
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
        return nobody().user if user is None else user

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
        return self._request.client_info.model_copy(deep=True)

    @property
    def client_capabilities(self) -> ClientCapabilities:
        """What the client declared to be able to; a copy."""
        return self._request.client_capabilities.model_copy(deep=True)

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
    def request_id(self) -> RequestId:
        """JSON-RPC id of the request."""
        return self._request.id

    @property
    def meta(self) -> Mapping[str, Any]:
        """The request's `_meta` object, empty if it has none."""
        return self._request.meta

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more; look at it in long loops."""
        return self._request.is_cancelled

    def _progress_params(
        self, progress: float, total: float | None, message: Text | None
    ) -> JSONObject | None:
        """Make a progress notification; None if the client wants to see none."""
        request = self._request
        token = request.meta.get("progressToken")
        if not isinstance(token, str | int) or isinstance(token, bool):
            return None
        # Spec: 2025-11-25 basic/utilities/progress: notifications stop after
        # completion, and the value increases, also when the handler is run again.
        if request.is_cancelled or (
            request.progress is not None and progress <= request.progress
        ):
            return None
        request.progress = progress
        params: JSONObject = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None and request.version in versions.PROGRESS_MESSAGES:
            params["message"] = plain(message)
        return params

    def _log_params(
        self, level: LoggingLevel, data: JSON, logger: str | None
    ) -> JSONObject | None:
        """Make a log notification; None if nobody would see it."""
        if level not in LOG_LEVELS:
            raise ValueError(f"level must be one of {LOG_LEVELS!r}, not {level!r}")
        if self._request.is_cancelled:
            return None
        params: JSONObject = {"level": level, "data": plain(data)}
        if logger is not None:
            params["logger"] = str(logger)
        return params

    def _form_question(
        self, message: Text, schema: Schema, key: str | None
    ) -> Question[Answer]:
        self._require_elicitation("form")
        form = Form.of(schema)
        params: JSONObject = {
            "message": str(message),
            "requestedSchema": plain(form.requested_schema),
        }
        if self._request.version in versions.VISITS:
            params["mode"] = "form"

        def read(result: JSONObject) -> Answer:
            given = _read_as(ElicitResult, result)
            data = form.parse(given.content) if given.action == "accept" else None
            return Answer(given.action, data)

        return self._question(key, "elicitation/create", params, read)

    def _url_question(
        self, message: Text, url: Text, elicitation_id: str | None, key: str | None
    ) -> Question[Answer]:
        self._require_elicitation("url")
        name = self._request.answers.name(key)
        params: JSONObject = {
            "mode": "url",
            "message": str(message),
            "url": str(url),
        }
        # Spec: 2026-07-28 schema.ts, `ElicitRequestURLParams`: no id any more.
        if self._request.version in versions.VISIT_IDS:
            params["elicitationId"] = (
                elicitation_id or self._request.answers.elicitation_id(name)
            )

        def read(result: JSONObject) -> Answer:
            return Answer(_read_as(ElicitResult, result).action)

        asker = self._request.describe()
        return Question(name, "elicitation/create", params, read, asker)

    def _sample_question(
        self,
        messages: Text | Sequence[SamplingMessage],
        max_tokens: int,
        key: str | None,
        params: Mapping[str, Any],
    ) -> Question[CreateMessageResult | CreateMessageResultWithTools]:
        with_tools = "tools" in params or "tool_choice" in params
        sampling = self._request.client_capabilities.sampling
        if sampling is None or (with_tools and sampling.tools is None):
            self._refuse({"sampling": {"tools": {}} if with_tools else {}})
        if isinstance(messages, str | Promise):
            text = TextContent(text=str(messages))
            messages = [SamplingMessage(role="user", content=text)]
        wire: JSONObject = CreateMessageRequestParams(
            messages=list(messages), max_tokens=max_tokens, **plain(params)
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        form = CreateMessageResultWithTools if with_tools else CreateMessageResult
        read = partial(_read_as, form)
        return self._question(key, "sampling/createMessage", wire, read)

    def _roots_question(self, key: str | None) -> Question[list[Root]]:
        if self._request.client_capabilities.roots is None:
            self._refuse({"roots": {}})

        def read(result: JSONObject) -> list[Root]:
            return _read_as(ListRootsResult, result).roots

        return self._question(key, "roots/list", {}, read)

    def _question(
        self, key: str | None, method: str, params: JSONObject, read: Any
    ) -> Question[Any]:
        name = self._request.answers.name(key)
        return Question(name, method, params, read, self._request.describe())

    def _require_elicitation(self, mode: str) -> None:
        """Refuse what the client did not declare; the version decides nothing.

        Spec: 2025-11-25 client/elicitation, "Capabilities": `{}` means form only.
        """
        declared = self._request.client_capabilities.elicitation
        if declared is not None:
            has_urls = declared.url is not None
            if mode == "url" and has_urls:
                return
            if mode == "form" and (declared.form is not None or not has_urls):
                return
        self._refuse({"elicitation": {mode: {}}})

    def _refuse(self, required: dict[str, Any]) -> NoReturn:
        [(capability, parts)] = required.items()
        name = ".".join([capability, *parts])
        client = self._request.client_info.name or "the client"
        raise CapabilityMissing(
            f"{client} cannot be asked: it did not declare the capability {name!r}",
            required=required,
        )


def _read_as(form: type[Wire], result: JSONObject) -> Wire:
    """Read a result of the client.

    Raises:
        ValueError: It is none; the text does not show what is in it.
    """
    try:
        return read_as(form, result)
    except ValidationError as error:
        raise ValueError(explain(error, result, show_values=False)) from None


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
        params = self._progress_params(progress, total, message)
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
        params = self._log_params(level, data, logger)
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
        question = self._form_question(message, schema, key)
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
        question = self._url_question(message, url, elicitation_id, key)
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
        question = self._sample_question(messages, max_tokens, key, params)
        return await self._request.answers.ask_together(question)

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """Ask which folders and files the client lets servers work on.

        Raises:
            CapabilityMissing: The client did not declare `roots`.
            AskFailed: It answered with an error, too late, or never with what fits.

        Spec: 2025-11-25 client/roots.
        """
        return await self._request.answers.ask_together(self._roots_question(key))

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
        params = self._progress_params(progress, total, message)
        if params is not None:
            self._notify("notifications/progress", params)

    def log(self, level: LoggingLevel, data: JSON, logger: str | None = None) -> None:
        """Send a log message to the client, if its session wants such ones."""
        context = Context(self._server, self._request)
        self._wait_for(context.log, level, data, logger)

    def elicit(
        self, message: Text, schema: Schema, *, key: str | None = None
    ) -> Answer:
        """Ask the user to fill in a form."""
        return self._request.answers.ask(self._form_question(message, schema, key))

    def elicit_url(
        self,
        message: Text,
        url: Text,
        *,
        elicitation_id: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Ask the user to visit a page; the answer says whether they agreed to."""
        question = self._url_question(message, url, elicitation_id, key)
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
        question = self._sample_question(messages, max_tokens, key, params)
        return self._request.answers.ask(question)

    def list_roots(self, *, key: str | None = None) -> list[Root]:
        """Ask which folders and files the client lets servers work on."""
        return self._request.answers.ask(self._roots_question(key))

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


def ask_for_visits(
    server: Server, request: Request, required: UrlElicitationRequired
) -> NoReturn:
    """Ask the user to visit URLs that have to be visited first; modern era.

    That the user agreed to a visit does not say that it is over: the handler, which
    still requires it, knows better.

    Raises:
        QuestionsAsked: The client has to be asked, for the first time or again.
        CapabilityMissing: The client did not declare `elicitation.url`.
        AskFailed: The user did not agree.
    """
    context = Context(server, request)
    questions = []
    for visit in required.data["elicitations"]:
        key = visit.get("elicitationId") or visit["url"]
        question = context._url_question(visit["message"], visit["url"], None, key)
        found = request.answers.find(question)
        if found is not None and not found[0].accepted:
            raise AskFailed(f"the user did not agree to visit {visit['url']}")
        questions.append(question)
    raise QuestionsAsked(questions)
