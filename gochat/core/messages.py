"""Messages and their rules: sending, editing, deleting."""

import hashlib
import json
from dataclasses import replace
from enum import Enum, auto

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
    Superseded,
)
from gochat.core.limits import Limits
from gochat.core.membership import membership, require, require_admin
from gochat.core.model import (
    NOTHING_EXTRA,
    Attachment,
    Conversation,
    ConversationId,
    Extras,
    Forwarded,
    Kind,
    Member,
    Mentions,
    Message,
    Millis,
    Role,
    UserId,
)
from gochat.core.needs import Needs
from gochat.core.sizes import json_bound, json_size
from gochat.core.state import Decision, State
from gochat.core.text import NAME_BYTES, check_bytes, check_data, line, link, media_type, shows_nothing
from gochat.core.values import value

ROW_BYTES = 1_024
"""What a message takes in a batch's statements without its texts, with the rows that change with it."""
ATTACHED_BYTES = 16_384
"""What is reserved for the attachments of a message that is written again. They may be some times as long."""


@value(frozen=True, slots=True)
class Sent:
    """The answer to a send. `duplicate`: this very request was stored before."""

    message: Message
    duplicate: bool = False


@value(frozen=True, slots=True)
class SendMessage(Command[Sent]):
    """A member says something; the same request again finds what it stored."""

    conversation_id: ConversationId
    sender_id: UserId
    client_message_id: bytes
    body: str
    reply_to_seq: int | None = None
    attachments: tuple[Attachment, ...] = ()
    extras: Extras | None = None

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the sender's row, the retry, and what the message points at."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.sender_id))
        needs.sent.add((self.sender_id, self.client_message_id))
        if self.reply_to_seq is not None:
            needs.messages.add((self.conversation_id, self.reply_to_seq))
        if self.extras is not None:
            _need_mentioned(needs, self.conversation_id, self.extras.mentions)
            if self.extras.read_up_to is not None:
                needs.me.add(self.sender_id)
                needs.sides.add((self.conversation_id, self.sender_id))
                needs.deleted_after.add((self.conversation_id, self.sender_id, self.extras.read_up_to))
            source = self.extras.forwarded_from
            if source is not None:
                needs.members.add((source.conversation_id, self.sender_id))
                needs.messages.add((source.conversation_id, source.seq))

    @property
    def request_hash(self) -> bytes:
        """16 bytes over everything but the key itself: the same request gives the same hash, for ever."""
        text = f"{self.conversation_id}\x00{self.reply_to_seq or 0}\x00{self.body}"
        if self.attachments:
            text += "\x00" + json.dumps([attachment.as_requested() for attachment in self.attachments])
        if self.extras is not None:
            text += "\x01" + json.dumps(self.extras.as_requested())
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements, as hexadecimal digits."""
        texts = 0
        if self.attachments:
            texts = sum(_weight(it.url, it.mime_type, it.name or "") for it in self.attachments)
        if self.extras is not None:
            mentions = self.extras.mentions
            texts += _weight(self.extras.data or "") + (48 * len(mentions.user_ids) if mentions else 0)
        return ROW_BYTES + 2 * json_bound(self.body) + texts

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Sent]:
        """Store a message, or find it stored: the retry comes before every other check.

        Raises:
            IdempotencyConflict: the key was used for other contents.
            NotFound: not a member; or `reply_to_seq` is no message they see.
            Forbidden: one of the two has blocked the other, or only admins send here (`who_sends`).
            InvalidPayload: an empty or too long body, or an attachment that is no link to a file.
        """
        request_hash = self.request_hash
        stored = state.sent.find((self.sender_id, self.client_message_id))
        if stored is not None:
            return Decision(Sent(_repeat(state, stored, request_hash), duplicate=True))
        conversation, sender = membership(state, self.conversation_id, self.sender_id)
        check_open(conversation)
        if conversation.extras is not None:
            require(sender, conversation.extras.who_sends, "who_sends")
        extras = self.extras
        has_data = extras is not None and extras.data is not None
        check_body(self.body, limits, blank=bool(self.attachments) or has_data)
        if len(self.attachments) > limits.attachments:
            raise LimitExceeded(field="attachments", details={"limit": limits.attachments})
        attachments = tuple(_kept(it, f"attachments.{n}") for n, it in enumerate(self.attachments))
        if self.reply_to_seq is not None:
            visible(state, sender, self.conversation_id, self.reply_to_seq, "reply_to_seq")
        if extras is not None:
            check_data(extras.data, limits)
            _check_mentioned(state, self.conversation_id, extras.mentions, limits)
            _check_source(state, self.sender_id, extras.forwarded_from)
        seq, revision = conversation.last_seq + 1, conversation.revision + 1
        created_at = max(now, conversation.last_message_at)
        having_sent = sender.having_sent(seq)
        me: tuple[UserId, ...] = ()
        if extras is not None and extras.read_up_to is not None:
            if extras.read_up_to < conversation.last_seq:
                having_sent, me = self._having_sent(state, sender, extras.read_up_to, seq), (self.sender_id,)
            else:
                extras = replace(extras, read_up_to=None).or_none()
        message = Message(
            self.conversation_id,
            seq,
            revision,
            self.sender_id,
            self.client_message_id,
            request_hash,
            self.body,
            attachments,
            created_at,
            None,
            None,
            self.reply_to_seq,
            extras,
        )
        return Decision(
            Sent(message),
            Why.MESSAGE_CREATED,
            conversation.with_message(seq, revision, created_at),
            created=message,
            members=(having_sent,),
            me=me,
        )

    def _having_sent(self, state: State, sender: Member, read_up_to: int, seq: int) -> Member:
        """The sender's row, who may not have read all that stands before the message."""
        me_revision = state.me[sender.user_id] + 1
        read = max(sender.read_seq, read_up_to)
        if read == seq - 1:
            return replace(sender.having_sent(seq), me_revision=me_revision)
        skipped = sender.skipped
        if read > sender.read_seq:
            skipped = state.deleted_after[(self.conversation_id, sender.user_id, read_up_to)]
        return replace(
            sender,
            delivered_seq=max(sender.delivered_seq, read),
            read_seq=read,
            skipped=skipped + 1,
            me_revision=me_revision,
        )


class Keep(Enum):
    """A part that an edit leaves as it is."""

    KEEP = auto()


KEEP = Keep.KEEP


@value(frozen=True, slots=True)
class EditMessage(Command[Message]):
    """The sender replaces the body, the data or the mentions; what is `KEEP` stays."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    body: str | Keep
    data: str | Keep | None = KEEP
    mentions: Mentions | Keep | None = KEEP
    revision: int | None = None
    """The message's, as the user saw it; None: whatever was changed since."""

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row, the message, and who is mentioned."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)
        if not isinstance(self.mentions, Keep):
            _need_mentioned(needs, self.conversation_id, self.mentions)

    @property
    def size(self) -> int:
        """About so many bytes it adds to a batch's statements; what is attached is written again."""
        texts = [it for it in (self.body, self.data) if isinstance(it, str)]
        return ROW_BYTES + ATTACHED_BYTES + sum(_weight(it) for it in texts)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Message]:
        """Replace parts of one's own message; the same again changes nothing.

        Raises:
            NotFound: not a member, or no message they see.
            Forbidden: another's message, one of the two has blocked the other, only admins send here, or it
                is too late.
            MessageDeleted: it is gone.
            Superseded: it was changed since, by another edit.
            InvalidPayload: an empty or too long body, too much data, or someone mentioned who is no member.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        message = visible(state, member, self.conversation_id, self.seq, "seq")
        if message.sender_id != self.user_id:
            raise Forbidden("Only its sender may edit a message.")
        check_open(conversation)
        require(member, conversation.setup.who_sends, "who_sends")
        if message.deleted_at is not None:
            raise MessageDeleted(field="seq")
        body = (message.body or "") if isinstance(self.body, Keep) else self.body
        extras = self._edited(message.extras or NOTHING_EXTRA)
        check_body(body, limits, blank=bool(message.attachments) or extras.data is not None)
        check_data(extras.data, limits)
        if not isinstance(self.mentions, Keep):
            _check_mentioned(state, self.conversation_id, self.mentions, limits)
        if message.body == body and (message.extras or NOTHING_EXTRA) == extras:
            return Decision(message)
        if self.revision is not None and message.revision > self.revision:
            raise Superseded(field="revision", details={"revision": message.revision})
        _check_time(message, now, limits.edit_within_s)
        revision = conversation.revision + 1
        edited = replace(
            message,
            body=body,
            extras=extras.or_none(),
            edited_at=max(now, message.created_at),
            revision=revision,
        )
        return Decision(
            edited,
            Why.MESSAGE_EDITED,
            replace(conversation, revision=revision),
            updated=edited,
        )

    def _edited(self, extras: Extras) -> Extras:
        """The extras with what this replaces."""
        if not isinstance(self.data, Keep):
            extras = replace(extras, data=self.data)
        return extras if isinstance(self.mentions, Keep) else replace(extras, mentions=self.mentions)


@value(frozen=True, slots=True)
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
        """At most so many bytes it adds to a batch's statements."""
        return ROW_BYTES

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Message]:
        """Empty a message; it keeps its place. Deleting it again changes nothing.

        Raises:
            NotFound: not a member, or no message they see.
            Forbidden: another's message, or it is too late, and they are no admin of the group.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        message = visible(state, member, self.conversation_id, self.seq, "seq")
        moderates = conversation.kind is Kind.GROUP and member.role is not Role.MEMBER
        if message.is_system:
            raise Forbidden("What the server wrote stays.", details={"reason": "system"})
        if message.sender_id != self.user_id and not moderates:
            raise Forbidden("Only its sender or an admin may delete a message.")
        if message.deleted_at is not None:
            return Decision(message)
        if not moderates:
            _check_time(message, now, limits.delete_within_s)
        return emptied(conversation, message, now)


def check_body(body: str, limits: Limits, *, blank: bool = False) -> None:
    """Refuse a body that says nothing or too much. `blank`: attachments speak for it.

    Raises:
        InvalidPayload: `details.reason` is `blank` or `too_long` (with `limit`, in code points).
    """
    if not blank and shows_nothing(body):
        raise InvalidPayload("The body is empty.", field="body", details={"reason": "blank"})
    if len(body) > limits.body:
        raise InvalidPayload(
            f"The body is longer than {limits.body} characters.",
            field="body",
            details={"reason": "too_long", "limit": limits.body},
        )


@value(frozen=True, slots=True)
class PinMessage(Command[Conversation]):
    """A message is shown on top to all, or no more: by either of two, or an admin or the owner of a group."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    on: bool

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row and the message."""
        _need_message(needs, self.conversation_id, self.user_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements, with what else is set of the conversation."""
        return ATTACHED_BYTES

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Pin it, or do so no more; what is so already changes nothing.

        Raises:
            NotFound: not a member, or no message that they see.
            Forbidden: no admin of the group; or one of the two has blocked the other.
            MessageDeleted: it is gone.
            LimitExceeded: too many are pinned.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        message = visible(state, member, self.conversation_id, self.seq, "seq")
        if conversation.kind is Kind.GROUP:
            require_admin(member)
        check_open(conversation)
        if message.deleted_at is not None:
            raise MessageDeleted(field="seq")
        pinned = conversation.with_pin(self.seq, self.on)
        if pinned is conversation:
            return Decision(conversation)
        if len(pinned.setup.pinned_seqs) > limits.pins:
            raise LimitExceeded(field="seq", details={"name": "pins", "limit": limits.pins})
        pinned = replace(pinned, revision=conversation.revision + 1)
        return Decision(pinned, Why.CONVERSATION_UPDATED, pinned, restated=True)


def emptied(conversation: Conversation, message: Message, now: Millis) -> Decision[Message]:
    """A message is deleted, and pinned no more."""
    revision = conversation.revision + 1
    deleted = message.deleted(revision, max(now, message.created_at))
    without = conversation.with_pin(message.seq, False)
    return Decision(
        deleted,
        Why.MESSAGE_DELETED,
        replace(without, revision=revision),
        updated=deleted,
        restated=without is not conversation,
    )


def _kept(attachment: Attachment, field: str) -> Attachment:
    """An attachment as it is stored. Raises InvalidPayload."""
    name = attachment.name
    if name is not None:
        check_bytes(name, NAME_BYTES, f"{field}.name")
        name = line(name, f"{field}.name")
    return replace(
        attachment,
        url=link(attachment.url, f"{field}.url"),
        mime_type=media_type(attachment.mime_type, f"{field}.mime_type"),
        name=name,
    )


def _weight(*texts: str) -> int:
    """Bytes of a statement: JSON within JSON, where a quote or a backslash is four, as hexadecimal digits."""
    return 2 * (160 + sum(json_size(json.dumps(text, ensure_ascii=False)) for text in texts))


def told_again(message: Message, visible_from_seq: int | None) -> Message:
    """What its sender may know of a message that they sent once.

    To whom does not see it any more, only that it was stored.

    Args:
        message: their own.
        visible_from_seq: of their row in the conversation; None: they are no member.
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


def visible(state: State, member: Member, conversation_id: ConversationId, seq: int, field: str) -> Message:
    """A message that a member sees.

    Raises:
        NotFound: there is none; of `field`.
    """
    message = state.messages.find((conversation_id, seq))
    if message is None or seq < member.visible_from_seq:
        raise NotFound("There is no such message.", field=field)
    return message


def _need_message(needs: Needs, conversation_id: ConversationId, user_id: UserId, seq: int) -> None:
    needs.conversations.add(conversation_id)
    needs.members.add((conversation_id, user_id))
    needs.messages.add((conversation_id, seq))


def _need_mentioned(needs: Needs, conversation_id: ConversationId, mentions: Mentions | None) -> None:
    if mentions is not None:
        needs.members.update((conversation_id, user_id) for user_id in mentions.user_ids)


def _check_mentioned(
    state: State, conversation_id: ConversationId, mentions: Mentions | None, limits: Limits
) -> None:
    if mentions is None:
        return
    if len(mentions.user_ids) > limits.mentions:
        raise LimitExceeded(field="mentions.user_ids", details={"limit": limits.mentions})
    for user_id in mentions.user_ids:
        member = state.members.find((conversation_id, user_id))
        if member is None or not member.active:
            raise InvalidPayload(
                "Only members can be mentioned.",
                field="mentions.user_ids",
                details={"reason": "not_a_member"},
            )


def _check_source(state: State, user_id: UserId, source: Forwarded | None) -> None:
    """Only what one sees can be forwarded."""
    if source is None:
        return
    member = state.members.find((source.conversation_id, user_id))
    if member is None or not member.active:
        raise NotFound("There is no such message.", field="forwarded_from")
    message = visible(state, member, source.conversation_id, source.seq, "forwarded_from")
    if message.deleted_at is not None:
        raise MessageDeleted(field="forwarded_from")


def _check_time(message: Message, now: Millis, within_s: int) -> None:
    if within_s and now > message.created_at + within_s * 1000:
        raise Forbidden(
            f"That was possible for {within_s} seconds.", details={"reason": "too_late", "limit": within_s}
        )
