"""From validated requests to what core takes, once for both faces. No rule is here, only form.

`encode` is the way back.
"""

from dataclasses import fields, replace
from typing import Any

import orjson

from gochat.contract import parameters, requests
from gochat.contract.cursor import Cursors
from gochat.contract.ids import time_in
from gochat.core.bans import BanMember
from gochat.core.conversations import CreateConversation, UpdateConversation
from gochat.core.errors import ChatError, InvalidPayload
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import KEEP, DeleteMessage, EditMessage, PinMessage, SendMessage
from gochat.core.model import (
    Attachment,
    ConversationId,
    Device,
    Extras,
    Forwarded,
    History,
    Kind,
    Mentions,
    Millis,
    MuteLevel,
    Role,
    Settings,
    UserId,
    Who,
    WhoCanAdd,
)
from gochat.core.profiles import UpdateProfile
from gochat.core.queries import SyncRequest
from gochat.core.reactions import Wish, kind_of
from gochat.core.reports import Report
from gochat.core.search import Has, SearchRequest
from gochat.core.sides import FOREVER, Archive, Mark, Mute, Pin, SaveDraft

_CLEARED = ("about", "avatar_url", "data")
"""What null takes away."""
_SETTINGS = frozenset(field.name for field in fields(Settings))


def send_in(request: requests.Send, user_id: UserId) -> SendMessage:
    """`message:send` and `POST messages`."""
    return SendMessage(
        conversation_id=request.conversation_id,
        sender_id=user_id,
        client_message_id=request.client_message_id,
        body=request.body,
        reply_to_seq=request.reply_to_seq,
        attachments=tuple(map(_attachment, request.attachments)),
        extras=_extras(request),
    )


def _extras(request: requests.Send) -> Extras | None:
    """None for most; their fields have their defaults."""
    if request.model_fields_set.isdisjoint(_EXTRAS):
        return None
    source = request.forwarded_from
    return Extras(
        kind=request.kind,
        data=_data(request.data),
        mentions=_mentions(request.mentions),
        silent=request.silent,
        forwarded_from=None if source is None else Forwarded(source.conversation_id, source.seq),
        read_up_to=request.read_up_to,
    ).or_none()


_EXTRAS = frozenset(field.name for field in fields(Extras))


def _data(data: dict[str, Any] | None) -> str | None:
    return None if data is None else orjson.dumps(data).decode()


def _mentions(mentions: requests.Mentions | None) -> Mentions | None:
    """None where nobody is named."""
    if mentions is None or not (mentions.user_ids or mentions.everyone):
        return None
    return Mentions(tuple(dict.fromkeys(mentions.user_ids)), mentions.everyone)


def _attachment(attachment: requests.Attachment) -> Attachment:
    return Attachment(
        url=attachment.url,
        mime_type=attachment.mime_type,
        size=attachment.size,
        width=attachment.width,
        height=attachment.height,
        name=attachment.name,
    )


def edit_in(request: requests.Edit, user_id: UserId) -> EditMessage:
    """`message:edit`.

    Raises:
        InvalidPayload: there is nothing to change.
    """
    named = request.model_fields_set
    if named.isdisjoint(("body", "data", "mentions")):
        raise InvalidPayload("There is nothing to change.", field="body", details={"reason": "missing"})
    return EditMessage(
        request.conversation_id,
        user_id,
        request.seq,
        body=request.body if "body" in named else KEEP,
        data=_data(request.data) if "data" in named else KEEP,
        mentions=_mentions(request.mentions) if "mentions" in named else KEEP,
        revision=request.revision,
    )


def delete_in(request: requests.Delete, user_id: UserId) -> DeleteMessage:
    """`message:delete`."""
    return DeleteMessage(request.conversation_id, user_id, request.seq)


def react_in(request: requests.React, user_id: UserId) -> Wish:
    """`message:react`.

    Raises:
        InvalidPayload: that is not one emoji.
    """
    return Wish(request.conversation_id, request.seq, user_id, kind_of(request.emoji), request.on)


def pin_message_in(request: requests.PinMessage, user_id: UserId) -> PinMessage:
    """`message:pin`."""
    return PinMessage(request.conversation_id, user_id, request.seq, request.on)


def create_in(
    request: requests.Create, user_id: UserId, new_id: ConversationId, refusal: ChatError | None = None
) -> CreateConversation:
    """`conversation:create` and `POST conversations`. `new_id` is used if it is not there yet.

    `refusal`: why it may not be made.
    """
    return CreateConversation(
        new_id=new_id,
        creator_id=user_id,
        kind=Kind(request.kind),
        member_ids=tuple(request.member_ids),
        title=request.title,
        client_conversation_id=request.client_conversation_id,
        history=History(request.history),
        refusal=refusal,
    )


def update_in(request: requests.Update, user_id: UserId) -> UpdateConversation:
    """`conversation:update`.

    Raises:
        InvalidPayload: there is nothing to change.
    """
    named = request.model_fields_set - {"conversation_id", "settings"}
    changes: dict[str, Any] = {name: getattr(request, name) for name in named}
    if "data" in changes:
        changes["data"] = _data(request.data)
    if request.settings is not None:
        settings = request.settings.model_dump(exclude_none=True)
        changes |= {name: Who(value) for name, value in settings.items()}
    if not changes:
        raise InvalidPayload("There is nothing to change.", field="title", details={"reason": "missing"})
    return UpdateConversation(request.conversation_id, user_id, changes)


def mute_in(request: requests.Mute, user_id: UserId) -> Mute:
    """`conversation:mute`.

    Raises:
        InvalidPayload: there is no such time.
    """
    if request.until is None:
        until = 0
    elif request.until == "forever":
        until = FOREVER
    else:
        until = _time(request.until, "until")
    return Mute(request.conversation_id, user_id, until, MuteLevel(request.level))


def archive_in(request: requests.Switch, user_id: UserId) -> Archive:
    """`conversation:archive`."""
    return Archive(request.conversation_id, user_id, request.on)


def pin_in(request: requests.Switch, user_id: UserId) -> Pin:
    """`conversation:pin`."""
    return Pin(request.conversation_id, user_id, request.on)


def mark_in(request: requests.Mark, user_id: UserId) -> Mark:
    """`conversation:mark`."""
    return Mark(request.conversation_id, user_id, request.unread)


def draft_in(request: requests.SaveDraft, user_id: UserId) -> SaveDraft:
    """`conversation:draft`."""
    return SaveDraft(request.conversation_id, user_id, request.text)


def add_members_in(request: requests.AddMembers, user_id: UserId) -> AddMembers:
    """`member:add`."""
    return AddMembers(request.conversation_id, user_id, tuple(request.user_ids))


def remove_member_in(request: requests.RemoveMember, user_id: UserId) -> RemoveMember:
    """`member:remove`."""
    return RemoveMember(request.conversation_id, user_id, request.user_id)


def set_role_in(request: requests.SetRole, user_id: UserId) -> SetRole:
    """`member:role`."""
    return SetRole(request.conversation_id, user_id, request.user_id, Role(request.role))


def ban_in(request: requests.BanMember, user_id: UserId) -> BanMember:
    """`member:ban`."""
    return BanMember(request.conversation_id, user_id, request.user_id, request.on)


def profile_in(request: requests.UpdateProfile, user_id: UserId) -> UpdateProfile:
    """`PATCH me`."""
    given = request.model_dump(exclude_unset=True)
    given = {name: value for name, value in given.items() if value is not None or name in _CLEARED}
    if "who_can_add" in given:
        given["who_can_add"] = WhoCanAdd(given["who_can_add"])
    if "data" in given:
        given["data"] = _data(given["data"])
    settings = {name: given.pop(name) for name in _SETTINGS & given.keys()}
    return UpdateProfile(user_id, given, settings)


def report_in(request: requests.Report, user_id: UserId) -> Report:
    """`POST reports`.

    Raises:
        InvalidPayload: neither a user nor a message is named, or both are.
    """
    target = request.target
    named = [it is not None for it in (target.user_id, target.conversation_id, target.seq)]
    if named not in ([True, False, False], [False, True, True]):
        raise InvalidPayload("target: either user_id, or conversation_id and seq.", field="target")
    return Report(
        reporter_id=user_id,
        client_report_id=request.client_report_id,
        reason=request.reason,
        comment=request.comment,
        user_id=target.user_id,
        conversation_id=target.conversation_id,
        seq=target.seq,
    )


def device_in(device: requests.DeviceIn | None) -> Device:
    """What an app said of its phone; nothing, if it said nothing."""
    if device is None:
        return Device()
    return Device(device.name, device.platform, device.app_version, device.installation_id)


def sync_in(request: requests.Sync, user_id: UserId, cursors: Cursors) -> SyncRequest:
    """What is asked of the reader.

    Raises:
        CursorInvalid, PositionLost
        InvalidPayload: both `known` and `position`.
    """
    if request.known and request.position is not None:
        raise InvalidPayload("position: stands in the place of known.", field="position")
    return SyncRequest(
        known=requests.known_in(request.known),
        me=request.me,
        epoch=request.epoch,
        position=None if request.cursor is None else cursors.read_sync(user_id, request.cursor),
        limit=request.limit,
        standing=None if request.position is None else cursors.read_standing(user_id, request.position),
        users_since=None if request.users_since is None else _time(request.users_since, "users_since"),
    )


def search_in(query: parameters.Search, user_id: UserId, cursors: Cursors) -> SearchRequest:
    """`GET messages/search`.

    Raises:
        CursorInvalid
    """
    asked = SearchRequest(
        query=query.q,
        limit=query.limit,
        conversation_id=query.conversation_id,
        sender_id=query.sender_id,
        before=query.before,
        after=query.after,
        has=None if query.has is None else Has(query.has),
    )
    if query.cursor is None:
        return asked
    return replace(asked, position=cursors.read_search(user_id, asked, query.cursor))


def _time(text: str, field: str) -> Millis:
    try:
        return time_in(text)
    except ValueError:
        raise InvalidPayload("There is no such time.", field=field) from None
