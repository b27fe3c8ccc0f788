"""From the values of core to the shapes of the wire. No rule is here, only form.

`decode` is the way back.
"""

from collections.abc import Iterable, Mapping

import orjson

from gochat.contract import shapes
from gochat.contract.cursor import Cursors
from gochat.contract.ids import id_out, time_out, uuid_out
from gochat.contract.requests import MAX_BYTES
from gochat.core.delta import Delta, MeChange, MeConversation
from gochat.core.errors import ChatError
from gochat.core.messages import Sent
from gochat.core.model import (
    TEXT,
    Attachment,
    Conversation,
    Device,
    Extras,
    Member,
    Message,
    Private,
    Reaction,
    Session,
    Settings,
    Standing,
    User,
    UserId,
)
from gochat.core.presence import Presence
from gochat.core.queries import ChangedUsers, ConversationView, MeDelta, ReactionPage, SyncPage
from gochat.core.receipts import Receipt
from gochat.core.search import Found, SearchPage, SearchRequest
from gochat.core.sides import FOREVER
from gochat.core.sizes import message_size
from gochat.core.sync import MAX_BYTES as ANSWER_BYTES


def message_out(message: Message) -> shapes.Message:
    """A message."""
    return {
        "conversation_id": id_out(message.conversation_id),
        "seq": message.seq,
        "revision": message.revision,
        "sender_id": id_out(message.sender_id),
        "client_message_id": uuid_out(message.client_message_id),
        "body": message.body,
        "attachments": [_attachment_out(it) for it in message.attachments] if message.attachments else [],
        "created_at": time_out(message.created_at),
        "edited_at": None if message.edited_at is None else time_out(message.edited_at),
        "deleted_at": None if message.deleted_at is None else time_out(message.deleted_at),
        "reply_to_seq": message.reply_to_seq,
        **(_PLAIN if message.extras is None else _extras_out(message.extras)),
    }


_PLAIN: shapes.Extras = {
    "kind": TEXT,
    "data": None,
    "mentions": None,
    "silent": False,
    "forwarded_from": None,
    "reactions": [],
}


def _extras_out(extras: Extras) -> shapes.Extras:
    mentions, source = extras.mentions, extras.forwarded_from
    out: shapes.Extras = {
        "kind": extras.kind,
        "data": None if extras.data is None else orjson.loads(extras.data),
        "mentions": None
        if mentions is None
        else {"user_ids": [id_out(it) for it in mentions.user_ids], "everyone": mentions.everyone},
        "silent": extras.silent,
        "forwarded_from": None
        if source is None
        else {"conversation_id": id_out(source.conversation_id), "seq": source.seq},
        "reactions": [_reaction_out(it) for it in extras.reactions],
    }
    if extras.read_up_to is not None:
        out["read_up_to"] = extras.read_up_to
    return out


def _reaction_out(reaction: Reaction) -> shapes.Reaction:
    out: shapes.Reaction = {
        "emoji": reaction.emoji,
        "count": reaction.count,
        "user_ids": [id_out(it) for it in reaction.user_ids],
    }
    if reaction.mine is not None:
        out["mine"] = reaction.mine
    return out


def _attachment_out(attachment: Attachment) -> shapes.Attachment:
    return {
        "url": attachment.url,
        "mime_type": attachment.mime_type,
        "size": attachment.size,
        "width": attachment.width,
        "height": attachment.height,
        "name": attachment.name,
    }


KEY_SIZE = 48
"""Bytes of a UUID as a key, and null."""


def sent_out(sent: Sent) -> shapes.SendAnswer:
    """The answer to a send."""
    return {"message": message_out(sent.message), "duplicate": sent.duplicate}


def message_answer(message: Message) -> shapes.MessageAnswer:
    """The answer to a change of a message."""
    return {"message": message_out(message)}


def reactions_out(page: ReactionPage, cursor: str | None) -> shapes.ReactionList:
    """A page of reactions to one message."""
    listed: list[shapes.Reactor] = [
        {"user_id": id_out(user_id), "emoji": emoji} for user_id, emoji in page.reactions
    ]
    return {"reactions": listed, "cursor": cursor}


def status_out(stored: Mapping[str, Message | None]) -> shapes.StatusAnswer:
    """The answer to `messages:status`, by the keys as they were sent: as many as fit, one at least."""
    shape: shapes.StatusAnswer = {"messages": {}}
    room = ANSWER_BYTES
    for key, it in stored.items():
        room -= KEY_SIZE + (0 if it is None else message_size(it))
        if room < 0 and shape["messages"]:
            shape["more"] = True
            break
        shape["messages"][key] = None if it is None else message_out(it)
    return shape


def _found_out(found: Found) -> shapes.SearchResult:
    """A message that matches a search."""
    return {
        "message": message_out(found.message),
        "ranges": [{"start": start, "end": end} for start, end in found.ranges],
    }


def conversation_out(conversation: Conversation) -> shapes.Conversation:
    """A conversation as all its members see it."""
    setup = conversation.setup
    return {
        "id": id_out(conversation.id),
        "kind": conversation.kind.value,
        "title": conversation.title,
        "avatar_url": setup.avatar_url,
        "data": None if setup.data is None else orjson.loads(setup.data),
        "settings": {"who_sends": setup.who_sends.value, "who_adds": setup.who_adds.value},
        "pinned_seqs": list(setup.pinned_seqs),
        "history": conversation.history.value,
        "revision": conversation.revision,
        "last_seq": conversation.last_seq,
        "last_message_at": time_out(conversation.last_message_at),
        "member_count": conversation.member_count,
        "created_at": time_out(conversation.created_at),
        "created_by": id_out(conversation.created_by),
    }


def view_out(view: ConversationView) -> shapes.Conversation:
    """A conversation as one of its members sees it."""
    shape = conversation_out(view.conversation)
    shape["last_message"] = None if view.last_message is None else message_out(view.last_message)
    shape["me"] = me_out(view.me, view.conversation.last_seq, view.private)
    return shape


def conversation_answer(view: ConversationView | None) -> shapes.ConversationAnswer:
    """The answer to a change of a conversation; None: the user is no longer a member."""
    return {"conversation": None if view is None else view_out(view)}


def me_out(member: Member, last_seq: int, private: Private) -> shapes.Me:
    """A member's own side of a conversation whose last message is `last_seq`."""
    return {
        "role": member.role.value,
        "delivered_seq": member.delivered_seq,
        "read_seq": member.read_seq,
        "unread": member.unread(last_seq),
        **_private_out(private),
        "visible_from_seq": member.visible_from_seq,
    }


def _private_out(private: Private) -> shapes.Private:
    muted: shapes.Muted | None = None
    if private.muted_until is not None:
        forever = private.muted_until == FOREVER
        until = "forever" if forever else time_out(private.muted_until)
        muted = {"until": until, "level": private.mute_level.value}
    text = private.draft
    return {
        "unread_mentions": private.unread_mentions,
        "muted": muted,
        "archived": private.archived,
        "pinned": private.pinned,
        "marked_unread": private.marked_unread,
        "draft": None if text is None else {"text": text, "at": time_out(private.draft_at)},
    }


def side_answer(view: ConversationView | None) -> shapes.SideAnswer:
    """The answer to a change of one's own side; None: the user is no longer a member."""
    if view is None:
        return {"me": None}
    return {"me": me_out(view.me, view.conversation.last_seq, view.private)}


def member_out(member: Member) -> shapes.Member:
    """A member as all members see them."""
    return {
        "user_id": id_out(member.user_id),
        "role": member.role.value,
        "active": member.active,
        "delivered_seq": member.shown_delivered_seq,
        "read_seq": member.shown_read_seq,
        "revision": member.revision,
    }


def delta_out(delta: Delta) -> shapes.Delta:
    """A delta; with `me`, if it has that, inside its conversation."""
    shape: shapes.Delta = {
        "conversation_id": id_out(delta.conversation_id),
        "since": delta.since,
        "revision": delta.revision,
    }
    if delta.conversation is not None:
        shape["conversation"] = conversation_out(delta.conversation)
        if delta.me is not None:
            shape["conversation"]["me"] = me_out(delta.me, delta.conversation.last_seq, delta.private)
            last = delta.last_message
            shape["conversation"]["last_message"] = None if last is None else message_out(last)
    if delta.members:
        shape["members"] = [member_out(member) for member in delta.members]
    if delta.messages:
        shape["messages"] = [message_out(message) for message in delta.messages]
    if delta.gap:
        shape["gap"] = True
    if delta.removed:
        shape["removed"] = True
    if delta.members_hidden:
        shape["members_hidden"] = True
    return shape


def me_conversation_out(own: MeConversation) -> shapes.MeConversation:
    """A user's own side of one conversation, as their own log tells it."""
    return {
        "conversation_id": id_out(own.member.conversation_id),
        "delivered_seq": own.member.delivered_seq,
        "read_seq": own.member.read_seq,
        "unread": own.unread,
        **_private_out(own.private),
    }


def me_delta_out(me: MeDelta | MeChange) -> shapes.MeDelta:
    """What changed in a user's own log: `me:changed`, and `me` of a sync."""
    shape: shapes.MeDelta = {
        "since": me.since,
        "revision": me.revision,
        "conversations": [me_conversation_out(own) for own in me.conversations],
        "total_unread": me.total_unread,
    }
    if isinstance(me, MeDelta) and me.gap:
        shape["gap"] = True
    if isinstance(me, MeDelta) and me.profile is not None:
        shape["user"] = user_out(me.profile.user)
        shape["settings"] = settings_out(me.profile.settings)
    return shape


def presence_out(presence: Presence) -> shapes.Presence:
    """Whether a user is online."""
    seen = presence.last_seen_at
    return {
        "user_id": id_out(presence.user_id),
        "online": presence.online,
        "last_seen_at": None if seen is None else time_out(seen),
    }


def watch_out(presences: Iterable[Presence]) -> shapes.WatchAnswer:
    """The answer to `presence:watch`."""
    return {"presences": [presence_out(presence) for presence in presences]}


def receipt_out(receipt: Receipt) -> shapes.ReceiptAnswer:
    """The answer to a receipt."""
    return {
        "delivered_seq": receipt.delivered_seq,
        "read_seq": receipt.read_seq,
        "unread": receipt.unread,
        "total_unread": receipt.total_unread,
    }


def search_out(
    page: SearchPage, user_id: UserId, asked: SearchRequest, cursors: Cursors
) -> shapes.SearchAnswer:
    """A page of results."""
    more = None if page.position is None else cursors.write_search(user_id, asked, page.position)
    return {"results": [_found_out(it) for it in page.found], "cursor": more, "complete": page.complete}


def sync_out(page: SyncPage, user_id: UserId, cursors: Cursors) -> shapes.SyncAnswer:
    """What the phone is told."""
    answer: shapes.SyncAnswer = {
        "conversations": [delta_out(delta) for delta in page.conversations],
        "more": page.position is not None,
        "cursor": None if page.position is None else cursors.write_sync(user_id, page.position),
        "epoch": page.epoch,
        "server_time": time_out(page.server_time),
        "max_payload": MAX_BYTES,
    }
    if page.me is not None:
        answer["me"] = me_delta_out(page.me)
    if page.users is not None:
        answer["users"] = users_changed_out(page.users)
    if page.standing is not None:
        answer["position"] = cursors.write_standing(user_id, page.standing)
    return answer


def users_changed_out(users: ChangedUsers) -> list[shapes.UserRevision] | None:
    """Who changed, by id; None: anybody may have."""
    if users.revisions is None:
        return None
    return [{"user_id": id_out(it), "revision": revision} for it, revision in sorted(users.revisions.items())]


def user_out(user: User) -> shapes.User:
    """A user as others see them."""
    return {
        "id": id_out(user.id),
        "username": user.username,
        "display_name": user.display_name,
        "avatar_url": user.avatar_url,
        "about": user.about,
        "data": None if user.data is None else orjson.loads(user.data),
        "deleted": user.deleted,
        "revision": user.revision,
    }


def settings_out(settings: Settings) -> shapes.UserSettings:
    """What a user has set for themselves."""
    return {
        "presence_hidden": settings.presence_hidden,
        "receipts_hidden": settings.receipts_hidden,
        "discoverable_by_phone": settings.discoverable_by_phone,
        "who_can_add": settings.who_can_add.value,
    }


def standing_out(standing: Standing) -> shapes.Standing:
    """What decides whether a user may speak."""
    muted = standing.muted_until
    return {
        "muted_until": None if muted is None else time_out(muted),
        "terms_version": standing.terms_version,
    }


def session_out(session: Session, *, current: bool) -> shapes.Session:
    """A login on a device."""
    device: Device = session.device
    return {
        "id": id_out(session.id),
        "device": {"name": device.name, "platform": device.platform, "app_version": device.app_version},
        "created_at": time_out(session.created_at),
        "last_seen_at": time_out(session.last_seen_at),
        "current": current,
    }


def error_out(error: ChatError, request_id: str) -> shapes.Error:
    """An error, the same in acks, refused connections and REST."""
    shape: shapes.Error = {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    if error.retry_after_ms is not None:
        shape["retry_after_ms"] = error.retry_after_ms
    if error.field is not None:
        shape["field"] = error.field
    if error.details is not None:
        shape["details"] = dict(error.details)
    return shape
