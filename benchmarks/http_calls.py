"""Contenders that answer calls over Streamable HTTP, under the load of `wrk`."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from benchmarks import calls, machine, wrk
from benchmarks.calls import Call
from benchmarks.compare import Contender, Options, Sampler
from benchmarks.database import (
    database,
    issue_oauth_token,
    issue_token,
    with_oauth,
    with_sight,
    with_tokens,
)
from benchmarks.figures import Sample
from benchmarks.servers import Running, Server, running

_PATH = "/mcp"

KEPT: Final = {"CREDENTIAL_CACHE_SECONDS": "60"}
"""Environment variables of a site that keeps what it has found out of credentials."""


def calling(
    server: Server, call: Call, *, connections: int, needs_database: bool = False
) -> Contender:
    """Let so many connections make a call, each one after the other."""
    return partial(_calling, server, call, connections, needs_database)


@contextmanager
def _calling(
    server: Server,
    call: Call,
    connections: int,
    needs_database: bool,
    options: Options,
) -> Iterator[Sampler]:
    extra = database(options.folder) if needs_database else {}
    with _under_load(server, call, connections, extra, options) as take:
        yield take


def calling_with_token(
    server: Server,
    call: Call,
    *,
    connections: int,
    extra: Mapping[str, str],
    is_of_oauth: bool = False,
) -> Contender:
    """Make a call with a bearer token.

    Args:
        server: Gets the settings of `benchmarks.sites.with_tokens` or `with_oauth`.
        call: What is called.
        connections: How many.
        extra: More environment variables.
        is_of_oauth: Whether the token is one that a program gets by OAuth.
    """
    contend = _calling_with_token
    return partial(contend, server, call, connections, extra, is_of_oauth)


def calling_seen(server: Server, call: Call, *, connections: int) -> Contender:
    """Make a call with a bearer token that is kept; an operator sees all of it.

    Args:
        server: Gets the settings of `benchmarks.sites.with_sight`.
        call: What is called.
        connections: How many.
    """
    return partial(_calling_seen, server, call, connections)


@contextmanager
def _calling_seen(
    server: Server, call: Call, connections: int, options: Options
) -> Iterator[Sampler]:
    token = issue_token(options.folder)
    call = replace(call, headers={"Authorization": f"Bearer {token}"})
    extra = {**with_sight(options.folder), **KEPT}
    with _under_load(server, call, connections, extra, options) as take:
        yield take


@contextmanager
def _calling_with_token(
    server: Server,
    call: Call,
    connections: int,
    extra: Mapping[str, str],
    is_of_oauth: bool,
    options: Options,
) -> Iterator[Sampler]:
    issue = issue_oauth_token if is_of_oauth else issue_token
    settings = with_oauth if is_of_oauth else with_tokens
    call = replace(call, headers={"Authorization": f"Bearer {issue(options.folder)}"})
    extra = {**settings(options.folder), **extra}
    with _under_load(server, call, connections, extra, options) as take:
        yield take


@contextmanager
def _under_load(
    server: Server,
    call: Call,
    connections: int,
    extra: Mapping[str, str],
    options: Options,
) -> Iterator[Sampler]:
    with running(server, options.folder, extra=extra) as it:
        headers = prepare(it, call)
        take = partial(sample, it, call, headers, connections)
        take(1)  # what is loaded or compiled at the first calls
        yield partial(take, options.seconds)


def sample(
    it: Running,
    call: Call,
    headers: Mapping[str, str],
    connections: int,
    seconds: float,
) -> Sample:
    """Count calls a second."""
    before = machine.cpu_seconds(it.pid)
    load = wrk.post(
        f"http://127.0.0.1:{it.port}{_PATH}",
        headers=headers,
        body=call.body,
        connections=connections,
        seconds=seconds,
    )
    cpu = machine.cpu_seconds(it.pid) - before
    if load.failed:
        raise AssertionError(f"{load.failed} of {load.requests} requests failed")
    if not load.requests:
        raise AssertionError(f"no request was answered in {seconds:g} s")
    cpu_us = cpu / load.requests * 1e6
    return Sample(load.requests / load.seconds, load.p99_ms, cpu_us, load.p50_ms)


def prepare(it: Running, call: Call) -> dict[str, str]:
    """Open a session where the era has one, and look whether a call is answered.

    Returns:
        All headers of a call.
    """
    headers = call.all_headers
    if call.era == "2025-11-25":
        _, found = _post(it.port, headers, calls.initialize())
        if "mcp-session-id" in found:
            headers["Mcp-Session-Id"] = found["mcp-session-id"]
        _post(it.port, headers, calls.initialized())
    body, _ = _post(it.port, headers, call.body)
    if b'"result"' not in body or b'"isError":true' in body:
        raise AssertionError(f"the call is answered with {body.decode()}")
    return headers


def _post(
    port: int, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, Mapping[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", _PATH, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.read(), found
    finally:
        connection.close()
