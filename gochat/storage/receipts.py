"""Receipts gathered: many members who read one message cost one revision, not one each."""

from gochat.core.model import ConversationId, UserId
from gochat.core.ports.writing import Writer
from gochat.core.receipts import AdvanceReceipts, Position, Receipt
from gochat.storage.gathering import Gatherer

MOST = 10_000
"""Members in a group."""


class ReceiptGatherer:
    """`core.ports.writing.Receipts` in front of the writer."""

    def __init__(self, writer: Writer) -> None:
        self._gatherer: Gatherer[ConversationId, UserId, Position, Receipt] = Gatherer(
            writer, AdvanceReceipts, most=MOST
        )

    async def advance(self, conversation_id: ConversationId, user_id: UserId, position: Position) -> Receipt:
        """See the port."""
        before = self._gatherer.asked(conversation_id).get(user_id)
        if before is not None and before.private is not position.private:
            self._gatherer.close(conversation_id)
            before = None
        further = position if before is None else _further(before, position)
        return await self._gatherer.ask(conversation_id, user_id, further)


def _further(one: Position, other: Position) -> Position:
    return Position(
        max(one.delivered_seq, other.delivered_seq), max(one.read_seq, other.read_seq), one.private
    )
