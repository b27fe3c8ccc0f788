"""Who may send, edit and delete what, and what exactly comes of it."""

from dataclasses import replace
from typing import Any

import pytest

from gochat.core.delta import Why
from gochat.core.errors import IdempotencyConflict
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage, Sent, told_again
from gochat.core.model import Attachment, ConversationExtras, Message, UserId, Who
from gochat.core.state import Decision
from tests.unit.core.world import (
    ADMIN,
    BLOCKED,
    DELETED,
    DIRECT,
    FORBIDDEN,
    GONE,
    GROUP,
    LAST,
    LATE,
    LATE_FROM,
    MEMBER,
    NO_MESSAGE,
    NOBODY,
    NOT_THERE,
    NOW,
    NOWHERE,
    OTHER_ADMIN,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    STRANGER,
    direct,
    group,
    world,
)

KEY = b"k" * 16
LINK = Attachment("https://example.org/a", "image/png")


def send(cid: int, who: UserId, body: str = "hello", **more: Any) -> SendMessage:
    return SendMessage(cid, who, KEY, body, **more)


@pytest.mark.parametrize(
    ("who", "cid", "outcome"),
    [
        (OWNER, GROUP, "ok"),
        (ADMIN, GROUP, "ok"),
        (MEMBER, GROUP, "ok"),
        (LATE, GROUP, "ok"),
        (GONE, GROUP, NOT_THERE),
        (STRANGER, GROUP, NOT_THERE),
        (NOBODY, GROUP, NOT_THERE),
        (OWNER, NOWHERE, NOT_THERE),
        (MEMBER, DIRECT, "ok"),
        (ADMIN, DIRECT, NOT_THERE),
    ],
)
def test_who_may_send(who: UserId, cid: int, outcome: object) -> None:
    assert world().outcome(send(cid, who)) == outcome


@pytest.mark.parametrize("who", [OWNER, ADMIN, MEMBER, LATE, GONE, STRANGER])
def test_who_may_send_where_only_admins_do(who: UserId) -> None:
    memory = world()
    memory.conversations[GROUP] = replace(group(), extras=ConversationExtras(who_sends=Who.ADMINS))
    refused = ("forbidden", None, {"reason": "who_sends"})
    outcome = {OWNER: "ok", ADMIN: "ok", MEMBER: refused, LATE: refused}.get(who, NOT_THERE)
    assert memory.outcome(send(GROUP, who)) == outcome
    own = next((it.seq for it in memory.messages.values() if it.sender_id == who), 1)
    assert memory.outcome(EditMessage(GROUP, who, own, "new")) == outcome
    assert memory.outcome(DeleteMessage(GROUP, who, own)) == ("ok" if outcome == refused else outcome)


def test_what_was_sent_before_only_admins_do_is_found_again() -> None:
    memory = world()
    memory.run([send(GROUP, MEMBER)], NOW)
    memory.conversations[GROUP] = replace(
        memory.conversations[GROUP], extras=ConversationExtras(who_sends=Who.ADMINS)
    )
    assert memory.decide(send(GROUP, MEMBER), NOW).result.duplicate


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (send(GROUP, MEMBER, ""), ("invalid_payload", "body", {"reason": "blank"})),
        (send(GROUP, MEMBER, " \n"), ("invalid_payload", "body", {"reason": "blank"})),
        (send(GROUP, MEMBER, "", attachments=(LINK,)), "ok"),
        (send(GROUP, MEMBER, "x" * 20), "ok"),
        (send(GROUP, MEMBER, "x" * 21), ("invalid_payload", "body", {"reason": "too_long", "limit": 20})),
        (send(GROUP, MEMBER, attachments=(LINK, LINK)), "ok"),
        (send(GROUP, MEMBER, attachments=(LINK,) * 3), ("limit_exceeded", "attachments", {"limit": 2})),
        (send(GROUP, MEMBER, reply_to_seq=1), "ok"),
        (send(GROUP, MEMBER, reply_to_seq=LAST), "ok"),
        (send(GROUP, MEMBER, reply_to_seq=LAST + 1), ("not_found", "reply_to_seq")),
        (send(GROUP, LATE, reply_to_seq=LATE_FROM), "ok"),
        (send(GROUP, LATE, reply_to_seq=LATE_FROM - 1), ("not_found", "reply_to_seq")),
    ],
)
def test_what_may_be_sent(command: SendMessage, outcome: object) -> None:
    assert world().outcome(command) == outcome


@pytest.mark.parametrize(("now", "created_at"), [(NOW, NOW), (NOW - 200, NOW - 100)])
def test_a_send(now: int, created_at: int) -> None:
    command = send(GROUP, MEMBER, reply_to_seq=2, attachments=(LINK,))
    sent = Message(
        conversation_id=GROUP,
        seq=LAST + 1,
        revision=REVISION + 1,
        sender_id=MEMBER,
        client_message_id=KEY,
        request_hash=command.request_hash,
        body="hello",
        attachments=(LINK,),
        created_at=created_at,
        reply_to_seq=2,
    )
    before = world().members[GROUP, MEMBER]
    assert world().decide(command, now) == Decision(
        Sent(sent),
        Why.MESSAGE_CREATED,
        replace(group(), last_seq=LAST + 1, revision=REVISION + 1, last_message_at=created_at),
        created=sent,
        members=(replace(before, delivered_seq=LAST + 1, read_seq=LAST + 1),),
    )


def test_a_retry_comes_before_every_check() -> None:
    memory = world()
    ((first,), _) = memory.run([send(GROUP, MEMBER)], NOW)
    assert not first.duplicate
    key = GROUP, MEMBER
    for change in ({"active": True}, {"active": False}, {"visible_from_seq": LAST + 2}):
        memory.members[key] = replace(memory.members[key], **change)
        again = memory.decide(send(GROUP, MEMBER), NOW)
        seen = first.message if change == {"active": True} else first.message.as_stored()
        assert again == Decision(Sent(seen, duplicate=True))
        with pytest.raises(IdempotencyConflict) as refused:
            memory.decide(send(GROUP, MEMBER, "other"), NOW)
        assert refused.value.field == "client_message_id"


def test_a_retry_finds_what_was_sent_to_another_conversation() -> None:
    memory = world()
    memory.run([send(DIRECT, MEMBER)], NOW)
    assert memory.outcome(send(GROUP, MEMBER)) == ("idempotency_conflict", "client_message_id")


@pytest.mark.parametrize("visible_from_seq", [None, 1, 4, 5, 6])
def test_what_a_sender_is_told_again(visible_from_seq: int | None) -> None:
    sent = world().messages[GROUP, 5]
    sees = visible_from_seq is not None and visible_from_seq <= 5
    assert told_again(sent, visible_from_seq) == (sent if sees else sent.as_stored())


@pytest.mark.parametrize(
    ("who", "seq", "outcome"),
    [
        (MEMBER, 3, "ok"),
        (OWNER, 3, FORBIDDEN),
        (ADMIN, 3, FORBIDDEN),
        (OTHER_MEMBER, 3, FORBIDDEN),
        (MEMBER, 4, FORBIDDEN),
        (MEMBER, 0, NO_MESSAGE),
        (MEMBER, LAST + 1, NO_MESSAGE),
        (MEMBER, DELETED, ("message_deleted", "seq")),
        (LATE, LATE_FROM, "ok"),
        (LATE, LATE_FROM - 1, NO_MESSAGE),
        (GONE, 9, NOT_THERE),
        (STRANGER, 3, NOT_THERE),
    ],
)
def test_who_may_edit(who: UserId, seq: int, outcome: object) -> None:
    assert world().outcome(EditMessage(GROUP, who, seq, "new")) == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("", ("invalid_payload", "body", {"reason": "blank"})),
        ("x" * 20, "ok"),
        ("x" * 21, ("invalid_payload", "body", {"reason": "too_long", "limit": 20})),
    ],
)
def test_what_an_edit_may_say(body: str, outcome: object) -> None:
    assert world().outcome(EditMessage(GROUP, MEMBER, 3, body)) == outcome


def test_a_message_with_attachments_may_be_edited_to_say_nothing() -> None:
    memory = world()
    memory.messages[GROUP, 3] = replace(memory.messages[GROUP, 3], attachments=(LINK,))
    assert memory.outcome(EditMessage(GROUP, MEMBER, 3, "")) == "ok"


@pytest.mark.parametrize("now", [NOW, 0])
def test_an_edit(now: int) -> None:
    before = world().messages[GROUP, 3]
    edited = replace(before, body="new", edited_at=max(now, before.created_at), revision=REVISION + 1)
    assert world().decide(EditMessage(GROUP, MEMBER, 3, "new"), now) == Decision(
        edited, Why.MESSAGE_EDITED, replace(group(), revision=REVISION + 1), updated=edited
    )
    assert world().decide(EditMessage(GROUP, MEMBER, 3, "body 3"), now) == Decision(before)


@pytest.mark.parametrize(
    ("who", "cid", "seq", "outcome"),
    [
        (MEMBER, GROUP, 3, "ok"),
        (OWNER, GROUP, 3, "ok"),
        (ADMIN, GROUP, 3, "ok"),
        (OTHER_ADMIN, GROUP, 1, "ok"),
        (OTHER_MEMBER, GROUP, 3, FORBIDDEN),
        (MEMBER, GROUP, 1, FORBIDDEN),
        (MEMBER, GROUP, 0, NO_MESSAGE),
        (OWNER, GROUP, LAST + 1, NO_MESSAGE),
        (LATE, GROUP, LATE_FROM, "ok"),
        (LATE, GROUP, LATE_FROM - 1, NO_MESSAGE),
        (GONE, GROUP, 9, NOT_THERE),
        (STRANGER, GROUP, 3, NOT_THERE),
        (OWNER, DIRECT, 1, "ok"),
        (OWNER, DIRECT, 2, FORBIDDEN),
    ],
)
def test_who_may_delete(who: UserId, cid: int, seq: int, outcome: object) -> None:
    assert world().outcome(DeleteMessage(cid, who, seq)) == outcome


def test_no_role_deletes_anothers_message_of_a_direct_conversation() -> None:
    memory = world()
    key = DIRECT, OWNER
    memory.members[key] = replace(memory.members[key], role=world().members[GROUP, ADMIN].role)
    assert memory.outcome(DeleteMessage(DIRECT, OWNER, 2)) == FORBIDDEN


@pytest.mark.parametrize("now", [NOW, 0])
def test_a_deletion(now: int) -> None:
    before = world().messages[GROUP, 3]
    deleted = before.deleted(REVISION + 1, max(now, before.created_at))
    assert (deleted.body, deleted.deleted_at) == (None, max(now, before.created_at))
    assert world().decide(DeleteMessage(GROUP, MEMBER, 3), now) == Decision(
        deleted, Why.MESSAGE_DELETED, replace(group(), revision=REVISION + 1), updated=deleted
    )
    gone = world().messages[GROUP, DELETED]
    assert world().decide(DeleteMessage(GROUP, MEMBER, DELETED), now) == Decision(gone)


def test_a_block_closes_a_direct_conversation_for_all_but_deleting() -> None:
    memory = world()
    memory.conversations[DIRECT] = replace(direct(), blocked=True)
    assert memory.outcome(send(DIRECT, OWNER)) == BLOCKED
    assert memory.outcome(EditMessage(DIRECT, MEMBER, 2, "new")) == BLOCKED
    assert memory.outcome(DeleteMessage(DIRECT, MEMBER, 2)) == "ok"
