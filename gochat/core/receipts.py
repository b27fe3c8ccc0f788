"""Receipts and their rules: up to a seq, never back, clamped to what there is."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from gochat.core.command import Gathered
from gochat.core.delta import Why
from gochat.core.errors import ChatError
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.model import Conversation, ConversationId, Member, Millis, Side, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.values import value


@value(frozen=True, slots=True)
class Position:
    """How far one member says they got. 0 says nothing. `private`: the others are not shown it."""

    delivered_seq: int = 0
    read_seq: int = 0
    private: bool = False


@value(frozen=True, slots=True)
class Receipt:
    """A member's authoritative positions, and what is unread after them."""

    delivered_seq: int
    read_seq: int
    unread: int
    total_unread: int = 0
    """Over all their conversations, once the batch is written; see `Command.told`."""


Answers: TypeAlias = dict[UserId, Receipt | ChatError]


@value(frozen=True, slots=True)
class AdvanceReceipts(Gathered[Answers]):
    """Receipts of several members of one conversation, gathered: at most one revision for them all.

    The answer has a `Receipt` or a ChatError for each position, by user id.
    """

    conversation_id: ConversationId
    positions: Mapping[UserId, Position]

    def need(self, needs: Needs) -> None:
        """Lock the conversation and the users; read the members' rows."""
        needs.conversations.add(self.conversation_id)
        for user_id, position in self.positions.items():
            needs.members.add((self.conversation_id, user_id))
            needs.me.add(user_id)
            needs.sides.add((self.conversation_id, user_id))
            if position.read_seq:
                needs.deleted_after.add((self.conversation_id, user_id, position.read_seq))

    def parts(self, most: int) -> Iterator["AdvanceReceipts"]:
        """The same in commands of so many positions at most."""
        positions = iter(self.positions.items())
        while part := dict(islice(positions, most)):
            yield AdvanceReceipts(self.conversation_id, part)

    @property
    def rows(self) -> int:
        """One for each member."""
        return len(self.positions)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 1_024 + 400 * len(self.positions)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Answers]:
        """Move several members' positions, with one revision for all that others are shown.

        A position that does not move writes nothing. The answer has a `Receipt` or a ChatError for each user.
        """
        conversation = state.conversations.find(self.conversation_id)
        answers: Answers = {}
        rows: list[Member] = []
        sides: list[Side] = []
        shown = (
            conversation is not None
            and conversation.member_count <= limits.shown_members
            and not conversation.blocked
        )
        for user_id, position in self.positions.items():
            try:
                conversation, member = membership(state, self.conversation_id, user_id)
            except ChatError as error:
                answers[user_id] = error
                continue
            moved = _moved(state, conversation, member, position, shown=shown)
            side = state.sides.find((self.conversation_id, user_id))
            if position.read_seq and side is not None and side.is_marked(member.read_seq):
                sides.append(replace(side, marked_seq=None))
                moved = replace(moved or member, me_revision=state.me[user_id] + 1)
            if moved is not None:
                rows.append(moved)
            after = moved or member
            answers[user_id] = Receipt(
                after.delivered_seq, after.read_seq, after.unread(conversation.last_seq)
            )
        totals = tuple(user_id for user_id, answer in answers.items() if isinstance(answer, Receipt))
        if conversation is None or not rows:
            return Decision(answers, totals=totals)
        taken = any(row.revision > conversation.revision for row in rows)
        return Decision(
            answers,
            Why.RECEIPT_ADVANCED,
            replace(conversation, revision=conversation.revision + 1) if taken else None,
            members=tuple(rows),
            sides=tuple(sides),
            me=tuple(row.user_id for row in rows if row.me_revision > state.me[row.user_id]),
            totals=totals,
        )

    def told(self, answer: Answers, totals: Mapping[UserId, int]) -> Answers:
        """Each receipt with what is unread over all conversations."""
        return {
            user_id: replace(it, total_unread=totals.get(user_id, 0)) if isinstance(it, Receipt) else it
            for user_id, it in answer.items()
        }


def _moved(
    state: State, conversation: Conversation, member: Member, position: Position, *, shown: bool
) -> Member | None:
    """The member's row with the position, or None if that does not move it."""
    moved = _private(state, conversation, member, position)
    if shown and not position.private and not state.receipts_hidden.find(member.user_id):
        moved = _shown(conversation, moved, position)
    return None if moved is member else moved


def _private(state: State, conversation: Conversation, member: Member, position: Position) -> Member:
    """What they themselves are told: how far they got, and what of the rest is deleted."""
    last = conversation.last_seq
    read = max(member.read_seq, min(position.read_seq, last))
    delivered = max(member.delivered_seq, min(position.delivered_seq, last), read)
    if (read, delivered) == (member.read_seq, member.delivered_seq):
        return member
    skipped = member.skipped
    if read > member.read_seq:
        skipped = state.deleted_after[conversation.id, member.user_id, position.read_seq]
    me_revision = state.me[member.user_id] + 1
    return replace(member, delivered_seq=delivered, read_seq=read, skipped=skipped, me_revision=me_revision)


def _shown(conversation: Conversation, member: Member, position: Position) -> Member:
    """What the others are shown: nothing of what they told in private."""
    last = conversation.last_seq
    read = max(member.shown_read_seq, min(position.read_seq, last))
    delivered = max(member.shown_delivered_seq, min(position.delivered_seq, last), read)
    if (read, delivered) == (member.shown_read_seq, member.shown_delivered_seq):
        return member
    revision = conversation.revision + 1
    return replace(member, revision=revision, shown_delivered_seq=delivered, shown_read_seq=read)
