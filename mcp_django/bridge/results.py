"""What a server said, made into what a client of another version or era reads.

Everything here is a function of JSON values; nothing is changed in place.
"""

from __future__ import annotations

import uuid
from collections.abc import Set
from importlib.metadata import version as version_of
from typing import Any, Final

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    Implementation,
)
from pydantic import BaseModel

from mcp_django.client.handshake import Found
from mcp_django.client.reading import clean_result, faults_of_parts
from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import methods, versions
from mcp_django.protocol.events import Peer
from mcp_django.protocol.input_rounds import RETRY_MEMBERS
from mcp_django.protocol.jsonrpc import JSON, JSONObject

_OF_ONE_HOP: Final = frozenset(
    {
        CLIENT_CAPABILITIES_META_KEY,
        CLIENT_INFO_META_KEY,
        LOG_LEVEL_META_KEY,
        PROTOCOL_VERSION_META_KEY,
        "progressToken",
    }
)
"""Members of `_meta` that say of a request what holds between two peers only."""

_MODERN_MEMBERS: Final = frozenset({"cacheScope", "resultType", "ttlMs"})

_MAX_WRAPPED: Final = 10_000
"""Tools to remember; a server that has more changes their names to no end."""


def ourselves() -> Implementation:
    """Give the name and version of this program."""
    return Implementation(name="mcp_django", version=version_of("mcp-django-channels"))


def describe(found: Found, version: str) -> JSONObject:
    """Say what a server is, as `initialize` and `server/discover` are answered.

    Spec: 2025-11-25 basic/lifecycle, "Initialization"; 2026-07-28 server/discover.
    """
    capabilities = wire(found.capabilities)
    # Their requests are not passed on.
    capabilities.pop("tasks", None)
    if version not in versions.COMPLETIONS:
        capabilities.pop("completions", None)
    described: JSONObject = {"capabilities": capabilities}
    if version in versions.LEGACY:
        info = server_info_of(found)
        described["serverInfo"] = versions.adapt_entry("implementation", info, version)
    else:
        described["supportedVersions"] = list(versions.MODERN)
    if found.instructions:
        described["instructions"] = found.instructions
    return described


def server_info_of(found: Found) -> JSONObject:
    """Give name and version of a server; ours for one that did not say."""
    return wire(found.server_info or ourselves())


def params_for_server(params: JSONObject, *, is_legacy: bool) -> JSONObject:
    """Give the params of a request without what is between the client and us.

    Args:
        params: As the client sent them.
        is_legacy: Whether the server is of the legacy era.
    """
    passed = dict(params)
    if is_legacy:
        passed = {k: v for k, v in passed.items() if k not in RETRY_MEMBERS}
    meta = _without(passed.pop("_meta", None), _OF_ONE_HOP)
    return {**passed, **meta}


def client_meta_of(params: JSONObject, peer: Peer, log_level: str) -> JSONObject:
    """Say to a modern server what the client said of itself.

    Args:
        params: Of a request of the client.
        peer: What the client said; for the legacy era, where params do not say it.
        log_level: What a client of the legacy era wants to hear.
    """
    if peer.version in versions.LEGACY:
        return {
            CLIENT_INFO_META_KEY: wire(peer.client_info),
            CLIENT_CAPABILITIES_META_KEY: capabilities_of(peer),
            LOG_LEVEL_META_KEY: log_level,
        }
    said = params["_meta"]
    keys = (CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, LOG_LEVEL_META_KEY)
    return {key: said[key] for key in keys if key in said}


def capabilities_of(peer: Peer) -> JSONObject:
    """Give what a client offers, as far as it is passed on."""
    capabilities = wire(peer.client_capabilities)
    capabilities.pop("tasks", None)
    return capabilities


def offers(peer: Peer, capability: str, params: JSONObject) -> bool:
    """Say whether a client can be asked something.

    Args:
        peer: What the client said of itself.
        capability: That the question needs.
        params: Of the question.

    Spec: 2025-11-25 client/elicitation, "Capabilities".
    """
    offered: Any = getattr(peer.client_capabilities, capability)
    if offered is None:
        return False
    if capability == "elicitation" and params.get("mode") == "url":
        return offered.url is not None
    return True


class Results:
    """Makes results into what one client reads.

    It remembers the tools whose results have to be wrapped because their schemas were.
    """

    def __init__(self) -> None:
        self._wrapped: set[str] = set()

    def for_legacy(
        self, method: str, params: JSONObject, result: JSONObject, version: str
    ) -> JSONObject:
        """Make of a result what a version of the legacy era allows.

        Raises:
            RemoteProtocolError: It is not what the method has.
        """
        result = clean_result(method, result)
        result = {k: v for k, v in result.items() if k not in _MODERN_MEMBERS}
        result |= _without(result.pop("_meta", None), {SERVER_INFO_META_KEY})
        try:
            return self._adapt(method, params, result, version)
        except (AttributeError, LookupError, TypeError, ValueError):
            faults = faults_of_parts(method, result) or "a result that is malformed"
            raise RemoteProtocolError(
                f"the server answered {method!r} with {faults}"
            ) from None

    def for_modern(
        self, method: str, result: JSONObject, server_info: JSONObject
    ) -> JSONObject:
        """Add to a result what the modern era wants, if it is not there.

        Spec: 2026-07-28 server/utilities/caching.
        """
        result = clean_result(method, result)
        meta = result.get("_meta") or {}
        passed = {**result, "_meta": {SERVER_INFO_META_KEY: server_info, **meta}}
        is_complete = result.get("resultType", "complete") == "complete"
        if is_complete and method in methods.KEPT:
            # Nothing is known of how long it holds, nor for which users.
            passed = {"ttlMs": 0, "cacheScope": "private", **passed}
        return passed

    def _adapt(
        self, method: str, params: JSONObject, result: JSONObject, version: str
    ) -> JSONObject:
        match method:
            case "tools/call":
                # Any schema that has to be wrapped stands for the tool's own.
                schema: JSON = {} if params.get("name") in self._wrapped else None
                return versions.adapt_tool_result(result, version, schema=schema)
            case "prompts/get":
                return versions.adapt_prompt_result(result, version)
            case "resources/read":
                contents = versions.adapt_contents(result["contents"], version)
                return {**result, "contents": contents}
        listed = methods.LISTS.get(method)
        if listed is None:
            return result
        if listed.kind == "tool":
            self._note_wrapped(result["tools"], version)
        entries = [
            versions.adapt_entry(listed.kind, entry, version)
            for entry in result[listed.member]
        ]
        return {**result, listed.member: entries}

    def _note_wrapped(self, tools: list[JSONObject], version: str) -> None:
        if len(self._wrapped) > _MAX_WRAPPED:
            self._wrapped.clear()
        for tool in tools:
            schema = tool.get("outputSchema")
            if schema is not None and versions.needs_wrapping(schema, version):
                self._wrapped.add(tool["name"])
            else:
                self._wrapped.discard(tool["name"])


def question_for_legacy(params: JSONObject) -> JSONObject:
    """Make of a modern question one that is asked in a session.

    Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests": visits to
    pages have an id there, which modern servers do not give.
    """
    if params.get("mode") == "url" and "elicitationId" not in params:
        return {**params, "elicitationId": str(uuid.uuid4())}
    return params


def question_for_modern(method: str, params: JSONObject) -> JSONObject:
    """Make of a question of a session one that is asked in a result.

    Spec: 2026-07-28 schema.ts, `InputRequest`, `ElicitRequestURLParams`.
    """
    passed = {k: v for k, v in params.items() if k != "elicitationId"}
    meta = _without(passed.pop("_meta", None), {"progressToken"})
    return {"method": method, "params": {**passed, **meta}}


def _without(meta: JSON, keys: Set[str]) -> JSONObject:
    """Give `_meta` as a member without some keys; no member if nothing is left."""
    if not isinstance(meta, dict):
        return {}
    left = {key: value for key, value in meta.items() if key not in keys}
    return {"_meta": left} if left else {}


def wire(model: BaseModel) -> JSONObject:
    """Give a model as it is on the wire."""
    value: JSON = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert isinstance(value, dict)
    return value
