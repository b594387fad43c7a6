"""What handlers ask clients: each kind of question, and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from django.utils.functional import Promise
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitResult,
    ListRootsResult,
    Root,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, ValidationError

from mcp_django.exceptions import AskFailed, CapabilityMissing, UrlElicitationRequired
from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.models import read_as
from mcp_django.server.asking import Answer, Question, QuestionsAsked
from mcp_django.server.forms import Form
from mcp_django.server.requests import Request
from mcp_django.server.schemas.json_schema import explain
from mcp_django.server.texts import Text, plain

_NO_CAPABILITIES: Final = ClientCapabilities()

Wire = TypeVar("Wire", bound=BaseModel)

Schema: TypeAlias = type[BaseModel] | Mapping[str, Any]
"""What a form is asked by: a model, or a verbatim schema."""


def form_question(
    request: Request, message: Text, schema: Schema, key: str | None
) -> Question[Answer]:
    """Make the question for a form.

    Raises:
        CapabilityMissing: The client did not declare that it can be asked.
    """
    _require_elicitation(request, "form")
    form = Form.of(schema)
    params: JSONObject = {
        "message": str(message),
        "requestedSchema": plain(form.requested_schema),
    }
    if request.version in versions.VISITS:
        params["mode"] = "form"

    def read(result: JSONObject) -> Answer:
        given = _read_as(ElicitResult, result)
        data = form.parse(given.content) if given.action == "accept" else None
        return Answer(given.action, data)

    return _question(request, key, "elicitation/create", params, read)


def url_question(
    request: Request,
    message: Text,
    url: Text,
    elicitation_id: str | None,
    key: str | None,
) -> Question[Answer]:
    """Make the question for a visit to a page.

    Raises:
        CapabilityMissing: The client did not declare that it can be asked.
    """
    _require_elicitation(request, "url")
    name = request.answers.name(key)
    params: JSONObject = {
        "mode": "url",
        "message": str(message),
        "url": str(url),
    }
    # Spec: 2026-07-28 schema.ts, `ElicitRequestURLParams`: no id any more.
    if request.version in versions.VISIT_IDS:
        params["elicitationId"] = elicitation_id or request.answers.elicitation_id(name)

    def read(result: JSONObject) -> Answer:
        return Answer(_read_as(ElicitResult, result).action)

    asker = request.describe()
    return Question(name, "elicitation/create", params, read, asker)


def sample_question(
    request: Request,
    messages: Text | Sequence[SamplingMessage],
    max_tokens: int,
    key: str | None,
    params: Mapping[str, Any],
) -> Question[CreateMessageResult | CreateMessageResultWithTools]:
    """Make the question for the client's language model.

    Raises:
        CapabilityMissing: The client did not declare that it can be asked.
    """
    with_tools = "tools" in params or "tool_choice" in params
    sampling = _usable(request).sampling
    if sampling is None or (with_tools and sampling.tools is None):
        _refuse(request, {"sampling": {"tools": {}} if with_tools else {}})
    if isinstance(messages, str | Promise):
        text = TextContent(text=str(messages))
        messages = [SamplingMessage(role="user", content=text)]
    wire: JSONObject = CreateMessageRequestParams(
        messages=list(messages), max_tokens=max_tokens, **plain(params)
    ).model_dump(mode="json", by_alias=True, exclude_none=True)
    form = CreateMessageResultWithTools if with_tools else CreateMessageResult
    read = partial(_read_as, form)
    return _question(request, key, "sampling/createMessage", wire, read)


def roots_question(request: Request, key: str | None) -> Question[list[Root]]:
    """Make the question for the client's folders and files.

    Raises:
        CapabilityMissing: The client did not declare that it can be asked.
    """
    if _usable(request).roots is None:
        _refuse(request, {"roots": {}})

    def read(result: JSONObject) -> list[Root]:
        return _read_as(ListRootsResult, result).roots

    return _question(request, key, "roots/list", {}, read)


def _question(
    request: Request, key: str | None, method: str, params: JSONObject, read: Any
) -> Question[Any]:
    name = request.answers.name(key)
    return Question(name, method, params, read, request.describe())


def _usable(request: Request) -> ClientCapabilities:
    """Give what the client declared, as far as a question can reach it."""
    if request.sender.has_streams or request.era.asks_in_results:
        return request.peer.client_capabilities
    return _NO_CAPABILITIES


def _require_elicitation(request: Request, mode: str) -> None:
    """Refuse what the client did not declare; the version decides nothing.

    Spec: 2025-11-25 client/elicitation, "Capabilities": `{}` means form only.
    """
    declared = _usable(request).elicitation
    if declared is not None:
        has_urls = declared.url is not None
        if mode == "url" and has_urls:
            return
        if mode == "form" and (declared.form is not None or not has_urls):
            return
    _refuse(request, {"elicitation": {mode: {}}})


def _refuse(request: Request, required: dict[str, Any]) -> NoReturn:
    [(capability, parts)] = required.items()
    name = ".".join([capability, *parts])
    client = request.peer.client_info.name or "the client"
    why = f"it did not declare the capability {name!r}"
    if _usable(request) is _NO_CAPABILITIES:
        why = (
            f"for {name!r} it needs a stream, which there is none of over WSGI; serve "
            "the project's ASGI_APPLICATION, or have clients speak 2026-07-28"
        )
    raise CapabilityMissing(f"{client} cannot be asked: {why}", required=required)


def _read_as(form: type[Wire], result: JSONObject) -> Wire:
    """Read a result of the client.

    Raises:
        ValueError: It is none; the text does not show what is in it.
    """
    try:
        return read_as(form, result)
    except ValidationError as error:
        raise ValueError(explain(error, result, show_values=False)) from None


def ask_for_visits(request: Request, required: UrlElicitationRequired) -> NoReturn:
    """Ask the user to visit URLs that have to be visited first; modern era.

    That the user agreed to a visit does not say that it is over: the handler, which
    still requires it, knows better.

    Raises:
        QuestionsAsked: The client has to be asked, for the first time or again.
        CapabilityMissing: The client did not declare `elicitation.url`.
        AskFailed: The user did not agree.
    """
    questions = []
    for visit in required.data["elicitations"]:
        key = visit.get("elicitationId") or visit["url"]
        question = url_question(request, visit["message"], visit["url"], None, key)
        found = request.answers.find(question)
        if found is not None and not found[0].accepted:
            raise AskFailed(f"the user did not agree to visit {visit['url']}")
        questions.append(question)
    raise QuestionsAsked(questions)
