"""MCP endpoints over WSGI: all that needs no stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client
from django.test.client import RequestFactory
from pytest_django import Settings

from mcp_django.consumers.wsgi import scope_of
from mcp_django.worker.thread_loop import run_in_thread_loop
from mcp_django.worker.worker import current_worker
from tests.consumers import shop
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    BOTH,
    EVERYTHING,
    JSON_ONLY,
    STREAM_ONLY,
    call_of,
    headers_of,
    initialize_of,
    modern,
    text_of,
    with_progress,
)
from tests.live.processes import wait_until
from tests.patience import PATIENCE_SECONDS

urlpatterns = [*shop.server.urls("mcp")]

LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}},
}
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}}
SUBSCRIBE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "resources/subscribe",
    "params": {"uri": "shop://stock"},
}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> Iterator[None]:
    """Serve the shop over WSGI, to every client."""
    settings.ROOT_URLCONF = __name__
    settings.MCP = {"AUTHENTICATION": []}
    runs.clear()
    yield
    runs.clear()


def post(message: Any, **headers: str) -> Any:
    """Post a JSON value, and give Django's response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().post(
        "/mcp",
        message,
        content_type="application/json",
        headers={"accept": BOTH, **named},
    )


def post_modern(message: Any, *, capabilities: Any = None, **headers: str) -> Any:
    """Post a modern request, with its headers."""
    said = modern(message, capabilities=capabilities)
    return post(said, **headers_of(message), **headers)


def open_session(capabilities: Any = None) -> tuple[str, Any]:
    """Open a session; give its id, and the result of `initialize`."""
    response = post(initialize_of(capabilities=capabilities))
    assert response.status_code == 200
    return response["mcp-session-id"], response.json()["result"]


# 2026-07-28 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (call_of("add", a=1, b=2), "3"),
        (with_progress(call_of("report", steps=2)), "reported"),
        (call_of("log", level="error", text="seen?"), "logged"),
    ],
)
def test_handlers_are_answered_as_json_alone(message: Any, text: str) -> None:
    """Chosen: what they report before has no way to the client."""
    response = post_modern(message)

    assert response["content-type"] == "application/json"
    assert text_of(response.json()) == text


def test_client_is_asked_by_the_answer() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr: needs no stream."""
    asked = post_modern(call_of("confirm"), capabilities=EVERYTHING).json()["result"]
    [key] = asked["inputRequests"]
    retry = call_of("confirm")
    retry["params"] |= {
        "requestState": asked["requestState"],
        "inputResponses": {key: {"action": "accept", "content": {"ok": True}}},
    }
    answer = post_modern(retry, capabilities=EVERYTHING).json()

    assert asked["resultType"] == "input_required"
    assert text_of(answer) == "accept: True"


def test_discovery_declares_no_changes() -> None:
    """Spec: 2026-07-28 server/discover: clients listen for what is declared."""
    declared = post_modern(DISCOVER).json()["result"]["capabilities"]

    assert declared["tools"] == declared["resources"] == {}


def test_listening_is_no_method_here() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: 404 for such."""
    response = post_modern(LISTEN)

    assert response.status_code == 404
    assert response.json()["error"] == {
        "code": -32601,
        "message": "subscriptions/listen needs a stream, which there is none of over "
        "WSGI",
    }


# Sessions -------------------------------------------------------------------------


def test_session_is_opened_used_and_ended() -> None:
    """Spec: 2025-11-25 basic/transports: with JSON answers alone."""
    id, result = open_session()
    told = post(with_progress(call_of("report", steps=2)), mcp_session_id=id)
    ended = Client().delete("/mcp", headers={"mcp-session-id": id})
    after = post(call_of("add", a=1), mcp_session_id=id)

    assert result["capabilities"]["tools"] == {}
    assert result["capabilities"]["resources"] == {}
    assert text_of(told.json()) == "reported"
    assert (ended.status_code, after.status_code) == (200, 404)


def test_handler_that_asks_in_a_session_gets_the_capability_error() -> None:
    """Chosen: the question would have no way to the client."""
    id, _ = open_session(EVERYTHING)
    answer = post(call_of("confirm"), mcp_session_id=id).json()

    assert answer["result"]["isError"]
    assert "needs a stream, which there is none of over WSGI" in text_of(answer)


def test_subscribing_is_no_method_here() -> None:
    """Spec: 2025-11-25 server/resources: it is not declared."""
    id, _ = open_session()

    assert post(SUBSCRIBE, mcp_session_id=id).json()["error"]["code"] == -32601


@pytest.mark.usefixtures("door")
def test_request_is_cancelled_by_another_thread() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: all share one worker."""
    id, _ = open_session()
    responses: list[Any] = []
    hold = call_of("hold", id="held", door="here")
    calling = threading.Thread(
        target=lambda: responses.append(post(hold, mcp_session_id=id))
    )
    calling.start()
    wait_until(lambda: runs.began == ["hold"])
    cancelled = {"requestId": "held"}
    method = "notifications/cancelled"
    told = post(
        {"jsonrpc": "2.0", "method": method, "params": cancelled}, mcp_session_id=id
    )
    calling.join(PATIENCE_SECONDS)

    assert told.status_code == 202
    assert runs.cancelled == ["hold"]
    assert [response.status_code for response in responses] == [503]


# What there is none of ------------------------------------------------------------


def test_get_is_not_allowed() -> None:
    """Spec: 2025-11-25 basic/transports: 405 where there is no such stream."""
    response = Client().get("/mcp", headers={"accept": STREAM_ONLY})

    assert (response.status_code, response["allow"]) == (405, "POST, DELETE")


@pytest.mark.parametrize("url", ["/mcp/sse", "/mcp/messages?session_id=x"])
def test_sse_names_the_setting_to_change(url: str) -> None:
    """Chosen: 501 in RFC 9110, 15.6.2."""
    response = Client().get(url)

    assert (response.status_code, response["content-type"]) == (501, "text/plain")
    assert b"ASGI_APPLICATION" in response.content


@pytest.mark.parametrize(("accept", "status"), [(JSON_ONLY, 200), (STREAM_ONLY, 406)])
def test_client_has_to_read_json(accept: str, status: int) -> None:
    """Chosen: nothing is answered with a stream."""
    assert post_modern(call_of("add", a=1), accept=accept).status_code == status


def test_body_that_breaks_off_is_refused(settings: Settings) -> None:
    """Chosen: no server error, which would be told to the site's administrators."""

    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the client is gone")

    environ: Any = {"wsgi.input": Broken()}
    response = Client().generic("POST", "/mcp", "{}", "application/json", **environ)

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("body", "status"), [("no json", 400), ('{"long": "%s"}' % ("x" * 2000), 413)]
)
def test_bodies_are_refused_as_over_asgi(
    settings: Settings, body: str, status: int
) -> None:
    """Chosen: the gate and the limits are the same."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 1000}

    assert post(body).status_code == status


# The scope, and the loop ----------------------------------------------------------


def test_scope_says_what_the_environment_says() -> None:
    """Spec: ASGI, "HTTP Connection Scope"."""
    environ: Any = {
        "HTTP_MCP_NAME": "add",
        "SCRIPT_NAME": "/shop",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "wsgi.url_scheme": "https",
    }
    request = RequestFactory().post(
        "/über/mcp?a=%20b", "{}", content_type="application/json", **environ
    )
    assert isinstance(request, WSGIRequest)
    scope = scope_of(request)

    assert (scope["path"], scope["root_path"]) == ("/shop/über/mcp", "/shop")
    assert (scope["query_string"], scope["scheme"]) == (b"a=%20b", "https")
    assert scope["client"] == ("192.0.2.1", 4711)
    assert {
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"mcp-name", b"add"),
    } <= set(scope["headers"])


def test_process_has_one_worker() -> None:
    """We promise it: what is kept is kept for all requests."""

    async def give_worker() -> Any:
        return current_worker()

    first, second = (run_in_thread_loop(give_worker()).result() for _ in range(2))

    assert first is second
