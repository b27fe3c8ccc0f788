"""What the server writes into a group about the group: who came and went, and what it is called.

Such a message takes no revision of its own, but comes with the change that it tells of. It has a seq as any
other, and is never unread.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from gochat.core.limits import Limits
from gochat.core.model import NOBODY, SYSTEM, Conversation, Extras, Message, Millis, UserId

MOST_NAMED: Final = 50
"""Users in one message; `count` tells how many there are."""


class Event(StrEnum):
    """What happened; a phone shows one that it does not know by the body."""

    ADDED = "member_added"
    REMOVED = "member_removed"
    LEFT = "member_left"
    ROLE = "role_changed"
    TITLE = "title_changed"
    AVATAR = "avatar_changed"


_BODIES: Final = {
    Event.ADDED: "Members were added.",
    Event.REMOVED: "A member was removed.",
    Event.LEFT: "A member left.",
    Event.ROLE: "A member's role was changed.",
    Event.TITLE: "The title was changed.",
    Event.AVATAR: "The picture was changed.",
}
"""For phones that know no better: without names, which would outlast their users' accounts."""


def noted(
    conversation: Conversation,
    event: Event,
    by: UserId,
    now: Millis,
    limits: Limits,
    users: Sequence[UserId] = (),
    **more: str | None,
) -> tuple[Conversation, Message | None]:
    """The conversation with a message about what happened, and that; or as it is, where none are written.

    Args:
        conversation: as of the revision that the change takes.
        by: who did it.
        users: whom it concerns.
        more: what else the message tells of it.
    """
    if not limits.system_messages:
        return conversation, None
    data: dict[str, object] = {"event": event, "by": _id(by)}
    if users:
        data |= {"user_ids": [_id(user_id) for user_id in users[:MOST_NAMED]], "count": len(users)}
    seq, at = conversation.last_seq + 1, max(now, conversation.last_message_at)
    message = Message(
        conversation.id,
        seq,
        conversation.revision,
        NOBODY,
        conversation.id.to_bytes(8, "big") + seq.to_bytes(8, "big"),
        bytes(16),
        _BODIES[event],
        (),
        at,
        extras=Extras(SYSTEM, _json(data | more), silent=True),
    )
    return replace(conversation, last_seq=seq, last_message_at=at), message


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _id(user_id: UserId) -> str:
    """As phones have it."""
    return f"{user_id:016x}"
