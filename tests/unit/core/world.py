"""A group with everybody that a rule tells apart, and a direct conversation of two of them."""

from dataclasses import replace

from gochat.core.limits import Limits
from gochat.core.model import (
    Conversation,
    History,
    Kind,
    Member,
    Message,
    Profile,
    Role,
    Settings,
    User,
    UserId,
    direct_key,
)
from tests.unit.core.memory import Memory

OWNER, ADMIN, OTHER_ADMIN, MEMBER, OTHER_MEMBER, LATE, GONE, STRANGER = range(1, 9)
"""Users. `LATE` sees the group from `LATE_FROM` on; `GONE` was in it."""
NOBODY = 99
EVERYBODY = (OWNER, ADMIN, OTHER_ADMIN, MEMBER, OTHER_MEMBER, LATE)
GROUP, DIRECT, NOWHERE = 10, 20, 30
REVISION, LAST, LATE_FROM, DELETED = 50, 9, 6, 8
"""Of the group: its revision, its last seq, where `LATE` begins, and a message that is deleted."""
NOW = 1_000_000
LIMITS = Limits(
    body=20,
    title=10,
    attachments=2,
    members_added=3,
    group_members=9,
    conversations=3,
    conversations_made=2,
    blocks=2,
    shown_members=8,
    system_messages=False,
)
"""Without what the server writes about each change of a group, which `test_system` is about."""
_ROLES = {OWNER: Role.OWNER, ADMIN: Role.ADMIN, OTHER_ADMIN: Role.ADMIN}
_AUTHORS = [OWNER, ADMIN, MEMBER, OTHER_MEMBER, OTHER_ADMIN, LATE, MEMBER, MEMBER, GONE]


def group() -> Conversation:
    return Conversation(
        GROUP, Kind.GROUP, "Group", History.FROM_JOINING, REVISION, LAST, NOW - 100, len(EVERYBODY), 1, OWNER
    )


def direct() -> Conversation:
    key = direct_key(OWNER, MEMBER)
    return Conversation(DIRECT, Kind.DIRECT, None, History.FROM_START, 5, 2, NOW - 100, 2, 1, OWNER, key)


def member(cid: int, user_id: UserId, role: Role = Role.MEMBER) -> Member:
    return Member(cid, user_id, role, True, 10 + user_id, 10 + user_id, 1)


def message(cid: int, seq: int, author: UserId) -> Message:
    return Message(cid, seq, seq, author, seq.to_bytes(16, "big"), b"", f"body {seq}", (), NOW - 200 + seq)


def world(limits: Limits = LIMITS) -> Memory:
    """All of it, new each time."""
    members = [member(GROUP, it, _ROLES.get(it, Role.MEMBER)) for it in EVERYBODY]
    members[-1] = replace(members[-1], visible_from_seq=LATE_FROM)
    members += [replace(member(GROUP, GONE), active=False), member(DIRECT, OWNER), member(DIRECT, MEMBER)]
    messages = [message(GROUP, seq, author) for seq, author in enumerate(_AUTHORS, 1)]
    messages[DELETED - 1] = messages[DELETED - 1].deleted(DELETED, NOW - 50)
    messages += [message(DIRECT, 1, OWNER), message(DIRECT, 2, MEMBER)]
    users = (*EVERYBODY, GONE, STRANGER)
    return Memory(
        limits,
        conversations={it.id: it for it in (group(), direct())},
        members={(it.conversation_id, it.user_id): it for it in members},
        messages={(it.conversation_id, it.seq): it for it in messages},
        me=dict.fromkeys(users, 7),
        profiles={it: Profile(User(it, f"user{it}", f"User {it}"), Settings()) for it in users},
    )


NOT_THERE = ("not_found", "conversation_id")
NO_MESSAGE = ("not_found", "seq")
FORBIDDEN = ("forbidden", None)
BLOCKED = ("forbidden", None, {"reason": "blocked"})
