"""Who may send, edit and delete what, and what exactly comes of it."""

from dataclasses import replace
from typing import Any

import pytest

from gochat.core.command import Command
from gochat.core.delta import Why
from gochat.core.erasure import EraseMessage
from gochat.core.errors import IdempotencyConflict
from gochat.core.messages import DeleteMessage, EditMessage, PinMessage, SendMessage, Sent, told_again
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
    LIMITS,
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


def pin(who: UserId, seq: int = 1, cid: int = GROUP, *, on: bool = True) -> PinMessage:
    return PinMessage(cid, who, seq, on)


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (pin(OWNER), "ok"),
        (pin(ADMIN), "ok"),
        (pin(MEMBER), FORBIDDEN),
        (pin(MEMBER, 3), FORBIDDEN),
        (pin(LATE, LATE_FROM), FORBIDDEN),
        (pin(LATE), NO_MESSAGE),
        (pin(GONE), NOT_THERE),
        (pin(STRANGER), NOT_THERE),
        (pin(NOBODY), NOT_THERE),
        (pin(OWNER, cid=NOWHERE), NOT_THERE),
        (pin(OWNER, LAST + 1), NO_MESSAGE),
        (pin(OWNER, DELETED), ("message_deleted", "seq")),
        (pin(OWNER, 2, DIRECT), "ok"),
        (pin(MEMBER, 2, DIRECT), "ok"),
        (pin(ADMIN, 2, DIRECT), NOT_THERE),
    ],
)
def test_who_may_pin(command: PinMessage, outcome: object) -> None:
    assert world().outcome(command) == outcome
    assert world().outcome(replace(command, on=False)) == outcome


def test_nobody_pins_where_one_has_blocked_the_other() -> None:
    memory = world()
    memory.conversations[DIRECT] = replace(direct(), blocked=True)
    assert memory.outcome(pin(OWNER, 2, DIRECT)) == BLOCKED


def test_the_newest_pin_comes_first_and_the_same_again_changes_nothing() -> None:
    memory = world()
    for seq, on, after in (
        (1, True, (1,)),
        (3, True, (3, 1)),
        (2, True, (2, 3, 1)),
        (3, False, (2, 1)),
        (1, False, (2,)),
        (2, False, ()),
    ):
        for changes in (1, 0):
            _, told = memory.run([pin(OWNER, seq, on=on)], NOW)
            assert [change.why for change in told] == [Why.CONVERSATION_UPDATED] * changes
            assert memory.conversations[GROUP].setup.pinned_seqs == after
            assert all(change.delta.conversation == memory.conversations[GROUP] for change in told)
    assert memory.conversations[GROUP] == replace(group(), revision=REVISION + 6)


def test_pins_are_bounded() -> None:
    memory = world(replace(LIMITS, pins=2))
    memory.run([pin(OWNER, 1), pin(OWNER, 2)], NOW)
    full = ("limit_exceeded", "seq", {"name": "pins", "limit": 2})
    assert memory.outcome(pin(OWNER, 3)) == full
    assert memory.outcome(pin(OWNER, 2)) == "ok"
    assert memory.run([pin(OWNER, 1, on=False), pin(OWNER, 3)], NOW)[0][1].setup.pinned_seqs == (3, 2)


@pytest.mark.parametrize("command", [DeleteMessage(GROUP, MEMBER, 3), EraseMessage(GROUP, MEMBER, 3)])
def test_what_is_deleted_is_pinned_no_more(command: Command[Message]) -> None:
    memory = world()
    memory.run([pin(OWNER, 3), pin(OWNER, 1)], NOW)
    (deleted,), (change,) = memory.run([command], NOW)
    assert memory.conversations[GROUP].setup.pinned_seqs == (1,)
    assert (change.why, change.delta.conversation) == (Why.MESSAGE_DELETED, memory.conversations[GROUP])
    assert change.delta.messages == (deleted,)
    _, (change,) = memory.run([DeleteMessage(GROUP, OWNER, 2)], NOW)
    assert change.delta.conversation is None


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


def test_a_link_is_kept_as_it_will_be_shown() -> None:
    sent = Attachment("HTTPS://Example.org/A", "audio/ogg; codecs=opus", 5, 1, 2, " a.ogg\n")
    decision = world().decide(send(GROUP, MEMBER, attachments=(sent,)), NOW)
    assert decision.created is not None
    assert decision.created.attachments == (
        Attachment("https://Example.org/A", "audio/ogg; codecs=opus", 5, 1, 2, "a.ogg"),
    )


@pytest.mark.parametrize(
    ("attachment", "field", "details"),
    [
        (replace(LINK, url="ftp://example.org"), "url", {"reason": "no_link"}),
        (replace(LINK, mime_type="image"), "mime_type", {"reason": "no_media_type"}),
        (replace(LINK, name="é" * 510), None, {}),
        (replace(LINK, name="é" * 510 + "a"), "name", {"reason": "too_long", "limit": 1_020}),
        (replace(LINK, name=" " * 1_021), "name", {"reason": "too_long", "limit": 1_020}),
        (replace(LINK, name="a\nb"), "name", {"reason": "control"}),
    ],
)
def test_which_part_of_a_link_is_at_fault(
    attachment: Attachment, field: str | None, details: dict[str, object]
) -> None:
    outcome = world().outcome(send(GROUP, MEMBER, attachments=(LINK, attachment)))
    assert outcome == ("ok" if field is None else ("invalid_payload", f"attachments.1.{field}", details))


def test_what_an_edit_adds_to_a_statement_is_counted_as_json_within_json_in_hexadecimal_digits() -> None:
    one, other = (EditMessage(GROUP, MEMBER, 1, body).size for body in ('a"é', ""))
    assert (one, one - other) == (1_024 + 16_384 + 2 * (160 + 13), 2 * (13 - 6))
