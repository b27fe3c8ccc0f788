"""The rules of messages: sending, editing, deleting."""

from dataclasses import replace

from gochat.core.commands import DeleteMessage, EditMessage, SendMessage
from gochat.core.delta import Why
from gochat.core.errors import (
    Forbidden,
    IdempotencyConflict,
    InvalidPayload,
    LimitExceeded,
    MessageDeleted,
    NotFound,
)
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.model import ConversationId, Kind, Member, Message, Millis, Role
from gochat.core.profiles import check_open
from gochat.core.state import Decision, Sent, State


def send(state: State, command: SendMessage, now: Millis, limits: Limits) -> Decision:
    """Store a message, or find it stored: the retry comes before every other check.

    Raises:
        IdempotencyConflict: the key was used for other contents.
        NotFound: not a member; or `reply_to_seq` is no message he sees.
        Forbidden: one of the two has blocked the other.
        InvalidPayload: an empty or too long body.
    """
    request_hash = command.request_hash
    stored = state.sent.get((command.sender_id, command.client_message_id))
    if stored is not None:
        return Decision(Sent(_repeat(state, stored, request_hash), duplicate=True))
    conversation, sender = membership(state, command.conversation_id, command.sender_id)
    check_open(conversation)
    check_body(command.body, limits, blank=bool(command.attachments))
    if len(command.attachments) > limits.attachments:
        raise LimitExceeded(field="attachments", details={"limit": limits.attachments})
    if command.reply_to_seq is not None:
        _visible(state, sender, command.conversation_id, command.reply_to_seq, "reply_to_seq")
    seq, revision = conversation.last_seq + 1, conversation.revision + 1
    created_at = max(now, conversation.last_message_at)
    message = Message(
        command.conversation_id,
        seq,
        revision,
        command.sender_id,
        command.client_message_id,
        request_hash,
        command.body,
        command.attachments,
        created_at,
        None,
        None,
        command.reply_to_seq,
    )
    return Decision(
        Sent(message),
        Why.MESSAGE_CREATED,
        conversation.with_message(seq, revision, created_at),
        created=message,
        members=(sender.having_sent(seq),),
    )


def edit(state: State, command: EditMessage, now: Millis, limits: Limits) -> Decision:
    """Replace the body of one's own message; the same body again changes nothing.

    Raises:
        NotFound: not a member, or no message he sees.
        Forbidden: another's message, or one of the two has blocked the other.
        MessageDeleted: it is gone.
        InvalidPayload: an empty or too long body.
    """
    conversation, member = membership(state, command.conversation_id, command.user_id)
    message = _visible(state, member, command.conversation_id, command.seq, "seq")
    if message.sender_id != command.user_id:
        raise Forbidden("Only its sender may edit a message.")
    check_open(conversation)
    if message.deleted_at is not None:
        raise MessageDeleted(field="seq")
    check_body(command.body, limits, blank=bool(message.attachments))
    if message.body == command.body:
        return Decision(message)
    revision = conversation.revision + 1
    edited = replace(message, body=command.body, edited_at=max(now, message.created_at), revision=revision)
    return Decision(
        edited,
        Why.MESSAGE_EDITED,
        replace(conversation, revision=revision),
        updated=edited,
    )


def delete(state: State, command: DeleteMessage, now: Millis) -> Decision:
    """Empty a message; it keeps its place. Deleting it again changes nothing.

    Raises:
        NotFound: not a member, or no message he sees.
        Forbidden: another's message, and he is no admin of the group.
    """
    conversation, member = membership(state, command.conversation_id, command.user_id)
    message = _visible(state, member, command.conversation_id, command.seq, "seq")
    moderates = conversation.kind is Kind.GROUP and member.role is not Role.MEMBER
    if message.sender_id != command.user_id and not moderates:
        raise Forbidden("Only its sender or an admin may delete a message.")
    if message.deleted_at is not None:
        return Decision(message)
    revision = conversation.revision + 1
    deleted = message.deleted(revision, max(now, message.created_at))
    return Decision(
        deleted,
        Why.MESSAGE_DELETED,
        replace(conversation, revision=revision),
        updated=deleted,
    )


def check_body(body: str, limits: Limits, *, blank: bool = False) -> None:
    """Refuse a body that says nothing or too much. `blank`: attachments speak for it.

    Raises:
        InvalidPayload: `details.reason` is `blank` or `too_long` (with `limit`, in code points).
    """
    if not blank and not body.strip():
        raise InvalidPayload("The body is empty.", field="body", details={"reason": "blank"})
    if len(body) > limits.body:
        raise InvalidPayload(
            f"The body is longer than {limits.body} characters.",
            field="body",
            details={"reason": "too_long", "limit": limits.body},
        )


def told_again(message: Message, visible_from_seq: int | None) -> Message:
    """What its sender may know of a message that he sent once.

    To whom does not see it any more, only that it was stored.

    Args:
        message: his own.
        visible_from_seq: of his row in the conversation; None: he is no member.
    """
    if visible_from_seq is not None and message.seq >= visible_from_seq:
        return message
    return message.as_stored()


def _repeat(state: State, stored: Message, request_hash: bytes) -> Message:
    """The present state of a message that is sent again."""
    if stored.request_hash != request_hash:
        raise IdempotencyConflict(field="client_message_id")
    member = state.members.get((stored.conversation_id, stored.sender_id))
    return told_again(stored, member.visible_from_seq if member is not None and member.active else None)


def _visible(state: State, member: Member, cid: ConversationId, seq: int, field: str) -> Message:
    message = state.messages.get((cid, seq))
    if message is None or seq < member.visible_from_seq:
        raise NotFound("There is no such message.", field=field)
    return message
