"""Lazy texts as arguments of ours to other servers."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.translation import gettext_lazy
from mcp_types import PromptReference
from mcp_types.jsonrpc import JSONRPCRequest

from tests.client.played import connected
from tests.client.scripted import Script, ScriptedServer

pytestmark = pytest.mark.usefixtures("german")

# Of no type, because here it stands where types want a text.
_: Any = gettext_lazy

SCRIPT: Script = {
    "tools/call": {"content": []},
    "prompts/get": {"messages": []},
    "completion/complete": {"completion": {"values": []}},
    "resources/read": {"contents": []},
    "acme/x": {},
}


def last(server: ScriptedServer) -> Any:
    """Give the parameters of the last request."""
    request = server.received[-1]
    assert isinstance(request, JSONRPCRequest)
    return request.params


def test_arguments_are_translated_into_the_language_of_their_sender() -> None:
    """Our choice: also where the client's connection lives in another thread."""
    with connected(more=SCRIPT) as (client, server), translation.override("de"):
        client.call_tool("bake", {"flour": _("Rye"), "more": [{"a": _("Wheat")}]})
        assert last(server)["arguments"] == {
            "flour": "Roggen",
            "more": [{"a": "Weizen"}],
        }
        client.get_prompt("bake", {"flour": _("Rye")})
        assert last(server)["arguments"] == {"flour": "Roggen"}
        client.complete(
            PromptReference(name="bake"), "a", "", arguments={"flour": _("Rye")}
        )
        assert last(server)["context"] == {"arguments": {"flour": "Roggen"}}
        client.request("acme/x", {"flour": _("Rye")})
        assert last(server)["flour"] == "Roggen"
        uri: Any = reverse_lazy("admin:index")
        client.read_resource(uri)
        assert last(server)["uri"] == "/admin/"


def test_argument_that_json_cannot_carry_is_the_callers_fault() -> None:
    """Our choice: nothing is sent."""
    with connected(more=SCRIPT) as (client, server):
        before = len(server.received)
        with pytest.raises(ValueError, match="serializ"):
            client.call_tool("bake", {"flour": object()})
        assert len(server.received) == before
