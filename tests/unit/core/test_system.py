"""What the server writes into a group about it: with which change, and unread to nobody."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gochat.core.bans import BanMember
from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage
from gochat.core.model import NOBODY, ConversationExtras, Extras, Message, Role
from gochat.core.reactions import React
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.system import MOST_NAMED, Event, noted
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    ADMIN,
    FORBIDDEN,
    GROUP,
    LAST,
    MEMBER,
    NOW,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    STRANGER,
    group,
    world,
)

TOLD = Limits(system_messages=True)


def ids(*users: int) -> list[str]:
    return [f"{user_id:016x}" for user_id in users]


@pytest.mark.parametrize(
    ("command", "event", "data"),
    [
        (
            AddMembers(GROUP, ADMIN, (STRANGER, STRANGER)),
            Event.ADDED,
            {"user_ids": ids(STRANGER), "count": 1},
        ),
        (RemoveMember(GROUP, ADMIN, MEMBER), Event.REMOVED, {"user_ids": ids(MEMBER), "count": 1}),
        (RemoveMember(GROUP, ADMIN, ADMIN), Event.LEFT, {"user_ids": ids(ADMIN), "count": 1}),
        (BanMember(GROUP, ADMIN, MEMBER, True), Event.REMOVED, {"user_ids": ids(MEMBER), "count": 1}),
        (
            SetRole(GROUP, OWNER, MEMBER, Role.OWNER),
            Event.ROLE,
            {"user_ids": ids(MEMBER), "count": 1, "role": "owner"},
        ),
        (UpdateConversation(GROUP, ADMIN, {"title": "new"}), Event.TITLE, {"title": "new"}),
        (UpdateConversation(GROUP, ADMIN, {"title": None}), Event.TITLE, {"title": None}),
        (UpdateConversation(GROUP, ADMIN, {"avatar_url": "https://a.example/b"}), Event.AVATAR, {}),
    ],
)
def test_what_is_told(command: Any, event: Event, data: dict[str, object]) -> None:
    memory = world(TOLD)
    _, (change,) = memory.run([command], NOW)
    (message,) = change.delta.messages
    conversation = memory.conversations[GROUP]
    assert message == memory.messages[GROUP, LAST + 1]
    assert (message.revision, conversation.revision) == (REVISION + 1, REVISION + 1)
    assert (conversation.last_seq, conversation.last_message_at) == (LAST + 1, message.created_at)
    assert (message.sender_id, message.is_system, message.created_at) == (NOBODY, True, NOW)
    assert message.extras is not None
    assert message.extras.kind == "system"
    by = ids(command.user_id)[0]
    assert json.loads(message.extras.data or "") == {"event": event, "by": by, **data}
    assert message.body
    _, (plain,) = world().run([command], NOW)
    assert plain.delta.messages == ()
    assert (plain.joined, plain.left) == (change.joined, change.left)


@pytest.mark.parametrize(
    "command",
    [
        UpdateConversation(GROUP, ADMIN, {"title": "Group"}),
        UpdateConversation(GROUP, ADMIN, {"data": "{}"}),
        SetRole(GROUP, OWNER, MEMBER, Role.MEMBER),
        AddMembers(GROUP, ADMIN, (MEMBER,)),
        BanMember(GROUP, ADMIN, STRANGER, True),
    ],
)
def test_what_is_not_told(command: AnyCommand) -> None:
    memory = world(TOLD)
    memory.run([command], NOW)
    assert memory.conversations[GROUP].last_seq == LAST


def test_many_are_not_all_named() -> None:
    _, message = noted(group(), Event.ADDED, 1, NOW, TOLD, range(1, 501))
    assert message is not None
    assert message.extras is not None
    data = json.loads(message.extras.data or "")
    assert (data["user_ids"], data["count"]) == (ids(*range(1, MOST_NAMED + 1)), 500)
    assert MOST_NAMED == 50


def test_it_is_the_next_message_and_of_no_earlier_time() -> None:
    """Its key is made of its place, so that no two have the same; nobody's phone makes a sound."""
    before = replace(group(), last_message_at=NOW + 5)
    conversation, message = noted(before, Event.AVATAR, 1, NOW, TOLD)
    key = GROUP.to_bytes(8, "big") + (LAST + 1).to_bytes(8, "big")
    extras = Extras("system", '{"event":"avatar_changed","by":"0000000000000001"}', silent=True)
    body = "The picture was changed."
    told = Message(GROUP, LAST + 1, REVISION, NOBODY, key, bytes(16), body, (), NOW + 5, extras=extras)
    assert message == told
    assert conversation == replace(before, last_seq=LAST + 1)
    assert noted(group(), Event.AVATAR, 1, NOW, TOLD)[0].last_message_at == NOW


def test_a_title_is_written_as_it_is() -> None:
    _, message = noted(group(), Event.TITLE, 1, NOW, TOLD, title="é")
    assert message is not None
    assert message.extras is not None
    assert message.extras.data == '{"event":"title_changed","by":"0000000000000001","title":"é"}'


def recount(memory: Memory) -> None:
    for member in memory.active(GROUP):
        if member.read_seq >= LAST:
            assert member.unread(memory.conversations[GROUP].last_seq) == memory.unread(member), member


def test_it_is_unread_to_nobody() -> None:
    memory = world(TOLD)
    last = {it.user_id: Position(LAST, LAST) for it in memory.active(GROUP)}
    memory.me |= dict.fromkeys(last, 0)
    memory.run([AdvanceReceipts(GROUP, last)], NOW)
    update = UpdateConversation(GROUP, ADMIN, {"title": "a"})
    batches: list[list[AnyCommand]] = [
        [update],
        [SendMessage(GROUP, MEMBER, b"1" * 16, "hi"), replace(update, changes={"title": "b"})],
        [AddMembers(GROUP, OWNER, (STRANGER,)), SetRole(GROUP, OWNER, ADMIN, Role.MEMBER)],
        [AdvanceReceipts(GROUP, {OTHER_MEMBER: Position(LAST + 2, LAST + 2)})],
        [RemoveMember(GROUP, OWNER, MEMBER), SendMessage(GROUP, OWNER, b"2" * 16, "hi")],
        [
            SetRole(GROUP, OWNER, OTHER_MEMBER, Role.OWNER),
            AdvanceReceipts(GROUP, {ADMIN: Position(99, LAST + 3)}),
        ],
    ]
    for commands in batches:
        memory.run(commands, NOW)
        recount(memory)
    others = {it.user_id: it.unread(memory.conversations[GROUP].last_seq) for it in memory.active(GROUP)}
    assert others[OWNER] == 0


def test_nobody_edits_or_deletes_it_and_anybody_reacts() -> None:
    memory = world(TOLD)
    memory.run([UpdateConversation(GROUP, ADMIN, {"title": "a"})], NOW)
    assert memory.outcome(EditMessage(GROUP, OWNER, LAST + 1, "x")) == FORBIDDEN
    assert memory.outcome(DeleteMessage(GROUP, OWNER, LAST + 1)) == ("forbidden", None, {"reason": "system"})
    (answer,) = memory.decide(React(GROUP, LAST + 1, {(MEMBER, "👍"): True}), NOW).result.values()
    assert isinstance(answer, Message)


def test_it_is_told_where_only_admins_send() -> None:
    memory = world(TOLD)
    memory.conversations[GROUP] = replace(group(), extras=ConversationExtras(pinned_seqs=(1,)))
    memory.run([RemoveMember(GROUP, MEMBER, MEMBER)], NOW)
    assert memory.conversations[GROUP].last_seq == LAST + 1
    assert memory.conversations[GROUP].extras == ConversationExtras(pinned_seqs=(1,))
