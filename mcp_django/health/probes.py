"""The two probes: whether a process lives, and whether it is ready for requests.

They ask for no credentials, take any Host and know no HTTPS: a load balancer asks by
the address of a process. So they say nothing that a stranger may not know.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

from mcp_django.consumers.exchange import Exchange
from mcp_django.health.services import answers_of_services
from mcp_django.server.endpoints import Probe
from mcp_django.worker.shutdown import is_ending
from mcp_django.worker.worker import current_worker, workers_of_process

Answer: TypeAlias = tuple[int, Mapping[str, str]]
"""An HTTP status, and what is said beside it."""

_METHODS: Final = ("GET", "HEAD")
_NOT_ALLOWED: Final[Answer] = (405, {"status": "only GET and HEAD are allowed here"})
_HEADERS: Final = {"cache-control": "no-store", "content-type": "application/json"}


class _HealthProbe(Probe):
    """A probe on both ways in."""

    @abstractmethod
    async def ask(self) -> Answer:
        """Say how the process is."""

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        current_worker()  # so that operators see the process, whatever it serves
        exchange = Exchange(scope, receive, send)
        status, headers, body = await self._answer(exchange.method)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        length = (b"content-length", b"%d" % len(body))
        start = {"type": "http.response.start", "status": status}
        await send({**start, "headers": [*raw, length]})
        body = b"" if exchange.method == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    async def __call__(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Answer as a Django view; Django leaves out the body for HEAD."""
        if isinstance(request, ASGIRequest):  # else its event loop ends with it
            current_worker()
        status, headers, body = await self._answer(request.method or "")
        return HttpResponse(body, status=status, headers=headers)

    async def _answer(self, method: str) -> tuple[int, dict[str, str], bytes]:
        is_allowed = method in _METHODS
        status, said = await self.ask() if is_allowed else _NOT_ALLOWED
        headers = _HEADERS if is_allowed else _HEADERS | {"allow": ", ".join(_METHODS)}
        return status, dict(headers), json.dumps(said).encode()


class Live(_HealthProbe):
    """Says that the event loop of the process turns: it answers, or it does not."""

    async def ask(self) -> Answer:
        """Say so."""
        return 200, {"status": "alive"}


class Ready(_HealthProbe):
    """Says whether a process shall be sent requests.

    It shall not while it ends, nor while its channel layer or a cache that MCP uses
    does not answer within a second.
    """

    async def ask(self) -> Answer:
        """Say whether it is ready, and what is not."""
        if is_ending() or any(worker.is_ending for worker in workers_of_process()):
            return 503, {"status": "draining"}
        answers = await answers_of_services()
        if all(answers.values()):
            return 200, {"status": "ready", **dict.fromkeys(answers, "ok")}
        words = {name: "ok" if ok else "no answer" for name, ok in answers.items()}
        return 503, {"status": "not ready", **words}
