"""Messages and their rules: sending, editing, deleting."""

import hashlib
import json
from dataclasses import dataclass, replace

from gochat.core.blocks import check_open
from gochat.core.command import Command
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
from gochat.core.model import Attachment, ConversationId, Kind, Member, Message, Millis, Role, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to a send. `duplicate`: this very request was stored before."""

    message: Message
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class SendMessage(Command[Sent]):
    """A member says something; the same request again finds what it stored."""

    conversation_id: ConversationId
    sender_id: UserId
    client_message_id: bytes
    body: str
    reply_to_seq: int | None = None
    attachments: tuple[Attachment, ...] = ()

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the sender's row, the retry, and what is replied to."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.sender_id))
        needs.sent.add((self.sender_id, self.client_message_id))
        if self.reply_to_seq is not None:
            needs.messages.add((self.conversation_id, self.reply_to_seq))

    @property
    def request_hash(self) -> bytes:
        """16 bytes over everything but the key itself: the same request gives the same hash, for ever."""
        text = f"{self.conversation_id}\x00{self.reply_to_seq or 0}\x00{self.body}"
        if self.attachments:
            text += "\x00" + json.dumps([attachment.as_requested() for attachment in self.attachments])
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 + 4 * len(self.body) + 1024 * len(self.attachments)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Sent]:
        """Store a message, or find it stored: the retry comes before every other check.

        Raises:
            IdempotencyConflict: the key was used for other contents.
            NotFound: not a member; or `reply_to_seq` is no message he sees.
            Forbidden: one of the two has blocked the other.
            InvalidPayload: an empty or too long body.
        """
        request_hash = self.request_hash
        stored = state.sent.find((self.sender_id, self.client_message_id))
        if stored is not None:
            return Decision(Sent(_repeat(state, stored, request_hash), duplicate=True))
        conversation, sender = membership(state, self.conversation_id, self.sender_id)
        check_open(conversation)
        check_body(self.body, limits, blank=bool(self.attachments))
        if len(self.attachments) > limits.attachments:
            raise LimitExceeded(field="attachments", details={"limit": limits.attachments})
        if self.reply_to_seq is not None:
            _visible(state, sender, self.conversation_id, self.reply_to_seq, "reply_to_seq")
        seq, revision = conversation.last_seq + 1, conversation.revision + 1
        created_at = max(now, conversation.last_message_at)
        message = Message(
            self.conversation_id,
            seq,
            revision,
            self.sender_id,
            self.client_message_id,
            request_hash,
            self.body,
            self.attachments,
            created_at,
            None,
            None,
            self.reply_to_seq,
        )
        return Decision(
            Sent(message),
            Why.MESSAGE_CREATED,
            conversation.with_message(seq, revision, created_at),
            created=message,
            members=(sender.having_sent(seq),),
        )


@dataclass(frozen=True, slots=True)
class EditMessage(Command[Message]):
    """The sender replaces the body."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    body: str

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row and the message."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256 + 4 * len(self.body)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Message]:
        """Replace the body of one's own message; the same body again changes nothing.

        Raises:
            NotFound: not a member, or no message he sees.
            Forbidden: another's message, or one of the two has blocked the other.
            MessageDeleted: it is gone.
            InvalidPayload: an empty or too long body.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        message = _visible(state, member, self.conversation_id, self.seq, "seq")
        if message.sender_id != self.user_id:
            raise Forbidden("Only its sender may edit a message.")
        check_open(conversation)
        if message.deleted_at is not None:
            raise MessageDeleted(field="seq")
        check_body(self.body, limits, blank=bool(message.attachments))
        if message.body == self.body:
            return Decision(message)
        revision = conversation.revision + 1
        edited = replace(message, body=self.body, edited_at=max(now, message.created_at), revision=revision)
        return Decision(
            edited,
            Why.MESSAGE_EDITED,
            replace(conversation, revision=revision),
            updated=edited,
        )


@dataclass(frozen=True, slots=True)
class DeleteMessage(Command[Message]):
    """The sender, an admin or the owner empties a message."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row and the message."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 256

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Message]:
        """Empty a message; it keeps its place. Deleting it again changes nothing.

        Raises:
            NotFound: not a member, or no message he sees.
            Forbidden: another's message, and he is no admin of the group.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        message = _visible(state, member, self.conversation_id, self.seq, "seq")
        moderates = conversation.kind is Kind.GROUP and member.role is not Role.MEMBER
        if message.sender_id != self.user_id and not moderates:
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
    member = state.members.find((stored.conversation_id, stored.sender_id))
    return told_again(stored, member.visible_from_seq if member is not None and member.active else None)


def _visible(state: State, member: Member, cid: ConversationId, seq: int, field: str) -> Message:
    message = state.messages.find((cid, seq))
    if message is None or seq < member.visible_from_seq:
        raise NotFound("There is no such message.", field=field)
    return message


def _need_message(needs: Needs, conversation_id: ConversationId, user_id: UserId, seq: int) -> None:
    needs.conversations.add(conversation_id)
    needs.members.add((conversation_id, user_id))
    needs.messages.add((conversation_id, seq))
