"""Questions to clients of legacy sessions, answered by a POST to any worker."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final, Self

from mcp_types.jsonrpc import JSONRPCRequest, RequestId

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol import jsonrpc, legacy
from mcp_django.protocol.events import AnswerMessage
from mcp_django.server.asking import Question
from mcp_django.server.question_rounds import OpenQuestion
from mcp_django.worker.acknowledgement import (
    ACCEPTED,
    BROKEN,
    NOT_FOUND,
    Taken,
    refusal,
)
from mcp_django.worker.addresses import Address, seal_address, unseal_address
from mcp_django.worker.relay import Relay
from mcp_django.worker.send_queue import Envelope
from mcp_django.worker.worker import Worker

NOT_ASKED: Final = refusal(400, legacy.NOT_ASKED)


class Questions:
    """The questions of one worker that wait for their answers; a part of it.

    The id of what the client is asked says where the answer has to go.

    Args:
        relay: Hands answers over to the worker that asked.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._open: dict[str, tuple[str, OpenQuestion]] = {}
        relay.on_handed_over("answer", self._take)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls(worker.relay)

    async def begin(
        self, session: HTTPSession, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        """Make a request of a question, and wait for its answer; pair with `end`."""
        address = Address(secrets.token_urlsafe(12), await self._relay.open())
        asked = OpenQuestion()
        self._open[address.name] = (session.key, asked)
        id = seal_address("ask", address)
        return jsonrpc.request(id, question.method, question.params), asked

    def end(self, id: RequestId) -> None:
        """Wait for an answer no longer."""
        self._open.pop(unseal_address("ask", id).name, None)

    async def answer(self, session: HTTPSession, answer: AnswerMessage) -> Taken:
        """Hand an answer to whichever worker asked.

        Returns:
            What to answer to the POST; never 404, for the session is well, and clients
            would open another one.
        """
        try:
            asked = unseal_address("ask", answer.id)
        except ValueError:
            return NOT_ASKED
        is_ours = asked.mailbox == self._relay.mailbox != ""
        if asked.name in self._open or is_ours or not self._relay.has_layer:
            return self._learn(asked.name, session.key, answer)
        envelope = {
            "kind": "answer",
            "name": asked.name,
            "session": session.key,
            "owner": session.owner,
            "body": jsonrpc.serialize(answer),
        }
        if not asked.mailbox:
            return await self._find_asker(envelope)
        taken = await self._relay.hand_over(asked.mailbox, envelope)
        if taken is None and self._relay.may_come_back(asked.mailbox):
            return BROKEN
        return NOT_ASKED if taken in (None, NOT_FOUND) else taken

    async def _find_asker(self, envelope: Envelope) -> Taken:
        """Hand an answer to a worker that could give no address when it asked."""
        peers = self._relay.seconds_since_peers()
        taken = await asyncio.gather(
            *(self._relay.hand_over(peer, envelope) for peer in peers)
        )
        # The one that asked may not be heard of yet.
        return ACCEPTED if ACCEPTED in taken else BROKEN

    async def _take(self, envelope: Envelope) -> Taken:
        """Take an answer that another worker was posted."""
        try:
            answer = jsonrpc.parse(envelope["body"])
        except RemoteProtocolError:
            return NOT_ASKED
        if not isinstance(answer, AnswerMessage):
            return NOT_ASKED
        return self._learn(envelope["name"], envelope["session"], answer)

    def _learn(self, name: str, session_key: str, answer: AnswerMessage) -> Taken:
        of_session, asked = self._open.get(name, ("", None))
        if asked is None or of_session != session_key or asked.answer is not None:
            return NOT_ASKED
        asked.learn(answer)
        return ACCEPTED
