"""The rules of receipts: up to a seq, never back, clamped to what there is."""

from dataclasses import replace

from gochat.core.commands import AdvanceReceipts, Position
from gochat.core.delta import Why
from gochat.core.errors import ChatError
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.model import Conversation, Member, UserId
from gochat.core.state import Decision, Receipt, State


def advance(state: State, command: AdvanceReceipts, limits: Limits) -> Decision:
    """Move several members' positions, with one revision for all that others are shown.

    A position that does not move writes nothing. The answer has a `Receipt` or a ChatError for each user.
    """
    conversation = state.conversations.get(command.conversation_id)
    answers: dict[UserId, Receipt | ChatError] = {}
    rows: list[Member] = []
    shown = (
        conversation is not None
        and conversation.member_count <= limits.shown_members
        and not conversation.blocked
    )
    for user_id, position in command.positions.items():
        try:
            conversation, member = membership(state, command.conversation_id, user_id)
        except ChatError as error:
            answers[user_id] = error
            continue
        moved = _moved(state, conversation, member, position, shown=shown)
        if moved is not None:
            rows.append(moved)
        after = moved or member
        answers[user_id] = Receipt(after.delivered_seq, after.read_seq, after.unread(conversation.last_seq))
    if conversation is None or not rows:
        return Decision(answers)
    taken = any(row.revision > conversation.revision for row in rows)
    return Decision(
        answers,
        Why.RECEIPT_ADVANCED,
        replace(conversation, revision=conversation.revision + 1) if taken else None,
        members=tuple(rows),
        me=tuple(row.user_id for row in rows if row.me_revision > state.me[row.user_id]),
    )


def _moved(
    state: State, conversation: Conversation, member: Member, position: Position, *, shown: bool
) -> Member | None:
    """The member's row with the position, or None if that does not move it."""
    moved = _own(state, conversation, member, position)
    if shown and not position.private:
        moved = _shown(conversation, moved, position)
    return None if moved is member else moved


def _own(state: State, conversation: Conversation, member: Member, position: Position) -> Member:
    """What he himself is told: how far he got, and what of the rest is deleted."""
    last = conversation.last_seq
    read = max(member.read_seq, min(position.read_seq, last))
    delivered = max(member.delivered_seq, min(position.delivered_seq, last), read)
    if (read, delivered) == (member.read_seq, member.delivered_seq):
        return member
    skipped = member.skipped
    if read > member.read_seq:
        key = (conversation.id, member.user_id, position.read_seq)
        skipped = state.deleted_after.get(key, 0) if read < last else 0
    me_revision = state.me[member.user_id] + 1
    return replace(member, delivered_seq=delivered, read_seq=read, skipped=skipped, me_revision=me_revision)


def _shown(conversation: Conversation, member: Member, position: Position) -> Member:
    """What the others are shown: nothing of what he told in private."""
    last = conversation.last_seq
    read = max(member.shown_read_seq, min(position.read_seq, last))
    delivered = max(member.shown_delivered_seq, min(position.delivered_seq, last), read)
    if (read, delivered) == (member.shown_read_seq, member.shown_delivered_seq):
        return member
    revision = conversation.revision + 1
    return replace(member, revision=revision, shown_delivered_seq=delivered, shown_read_seq=read)
