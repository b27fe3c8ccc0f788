"""Receipts gathered: many members who read one message cost one revision, not one each."""

import asyncio

from gochat.core.errors import ChatError
from gochat.core.model import ConversationId, UserId
from gochat.core.ports.writing import Writer
from gochat.core.receipts import AdvanceReceipts, Answers, Position, Receipt

WINDOW_S = 0.25
"""How long the first receipt of a conversation waits for others."""


class ReceiptGatherer:
    """`core.ports.writing.Receipts` in front of the writer. Bounded by what clients may have in flight."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._gathered: dict[ConversationId, dict[UserId, Position]] = {}
        self._answers: dict[ConversationId, asyncio.Future[Answers]] = {}

    async def advance(self, cid: ConversationId, user_id: UserId, position: Position) -> Receipt:
        """See the port."""
        before = self._gathered.get(cid, {}).get(user_id)
        if before is not None and before.private is not position.private:
            self._flush(cid)
            before = None
        if cid not in self._gathered:
            loop = asyncio.get_running_loop()
            self._gathered[cid] = {}
            self._answers[cid] = loop.create_future()
            loop.call_later(WINDOW_S, self._flush, cid)
        self._gathered[cid][user_id] = position if before is None else _further(before, position)
        answer = (await asyncio.shield(self._answers[cid]))[user_id]
        if isinstance(answer, ChatError):
            raise answer
        return answer

    def _flush(self, cid: ConversationId) -> None:
        """The window is over, or ended before: one command for all that came in it."""
        if cid not in self._gathered:
            return
        positions, answer = self._gathered.pop(cid), self._answers.pop(cid)
        answer.add_done_callback(_retrieved)
        try:
            submitted = asyncio.ensure_future(self._writer.submit(AdvanceReceipts(cid, positions)))
        except ChatError as error:
            answer.set_exception(error)
            return
        submitted.add_done_callback(lambda done: _pass_on(done, answer))


def _further(one: Position, other: Position) -> Position:
    return Position(
        max(one.delivered_seq, other.delivered_seq), max(one.read_seq, other.read_seq), one.private
    )


def _pass_on(done: asyncio.Future[Answers], answer: asyncio.Future[Answers]) -> None:
    error = done.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


def _retrieved(answer: asyncio.Future[Answers]) -> None:
    """Whoever asked may be gone; that is no fault."""
    if not answer.cancelled():
        answer.exception()
