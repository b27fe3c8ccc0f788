"""No field is lost on its way: each with a value that is not its default, through all that copies by hand."""

from dataclasses import fields, replace

import pytest

from gochat.core.command import Command
from gochat.core.limits import Limits
from gochat.core.members import AddMembers
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage
from gochat.core.model import (
    Attachment,
    Conversation,
    Extras,
    Forwarded,
    History,
    Kind,
    Member,
    Mentions,
    Message,
    Role,
)
from gochat.core.needs import Needs
from gochat.core.state import A, Decision
from tests.unit.core.filled import changed, filled, variants
from tests.unit.core.memory import Memory

NOW = 2_000_000
LIMITS = Limits()

conversation = filled(Conversation, blocked=False, last_message_at=NOW - 1)
sender = filled(Member, conversation_id=conversation.id, active=True, visible_from_seq=1)
message = filled(
    Message,
    conversation_id=conversation.id,
    seq=2,
    sender_id=sender.user_id,
    created_at=NOW - 1,
    deleted_at=None,
)


def decided(command: Command[A]) -> Decision[A]:
    needs = Needs()
    command.need(needs)
    others = [replace(sender, conversation_id=cid, user_id=user_id) for cid, user_id in needs.members]
    there = [
        message,
        *(replace(message, conversation_id=cid, seq=seq) for cid, seq in needs.messages if seq != 2),
    ]
    memory = Memory(
        LIMITS,
        conversations={conversation.id: conversation},
        members={(it.conversation_id, it.user_id): it for it in (*others, sender)},
        messages={(it.conversation_id, it.seq): it for it in there},
        me={sender.user_id: 7},
    )
    return memory.decide(command, NOW)


def test_a_value_is_filled_in_every_field() -> None:
    for of, needed in ((Conversation, 10), (Member, 7), (Message, 9), (Attachment, 2)):
        value = filled(of)
        bare = of(*[getattr(value, field.name) for field in fields(of)][:needed])
        assert changed(value, bare) == {field.name for field in fields(of)[needed:]}


@pytest.mark.parametrize("of", [Conversation, Member, Message, Attachment, SendMessage])
def test_a_variant_differs_in_its_field(of: type[object]) -> None:
    value = filled(of)
    found = {name: changed(value, other) for name, other in variants(value)}
    assert found == {field.name: {field.name} for field in fields(of)}  # type: ignore[arg-type]


def test_a_message_changes_of_its_conversation_where_it_ends() -> None:
    before = filled(Conversation)
    after = before.with_message(7, 8, 9)
    assert changed(before, after) == {"last_seq", "revision", "last_message_at"}
    assert (after.last_seq, after.revision, after.last_message_at) == (7, 8, 9)


def test_whoever_sends_has_read_all_and_shows_nothing_by_it() -> None:
    before = filled(Member)
    after = before.having_sent(7)
    assert changed(before, after) == {"delivered_seq", "read_seq", "skipped"}
    assert (after.delivered_seq, after.read_seq, after.skipped) == (7, 7, 0)


def test_a_message_is_what_was_sent() -> None:
    attached = filled(Attachment, url="https://a.example/b", mime_type="audio/ogg; codecs=opus")
    command = filled(
        SendMessage,
        conversation_id=conversation.id,
        sender_id=sender.user_id,
        reply_to_seq=1,
        attachments=(attached,),
        extras=filled(Extras, read_up_to=conversation.last_seq - 1),
    )
    decision = decided(command)
    created = decision.created
    assert created == decision.result.message
    sent = {it.name for it in fields(SendMessage)} & {it.name for it in fields(Message)}
    assert sent == {it.name for it in fields(SendMessage)}
    assert {name: getattr(created, name) for name in sent} == {name: getattr(command, name) for name in sent}


def test_an_edit_changes_the_body() -> None:
    edited = decided(EditMessage(conversation.id, sender.user_id, 2, "other")).updated
    assert changed(message, edited) == {"body", "edited_at", "revision"}


def test_a_deleted_message_keeps_nothing_that_was_said_in_it() -> None:
    deleted = decided(DeleteMessage(conversation.id, sender.user_id, 2)).updated
    assert deleted is not None
    said = {"body", "attachments", "extras"}
    assert changed(message, deleted) == {*said, "deleted_at", "revision"}
    bare = Message(0, 0, 0, 0, b"", b"", None, (), 0)
    assert said <= {it.name for it in fields(Message)} - changed(bare, replace(deleted, extras=None))
    assert message.extras is not None
    assert deleted.extras == Extras(read_up_to=message.extras.read_up_to)


def test_a_sender_who_does_not_see_it_any_more_is_told_that_it_was_stored() -> None:
    bare = Message(0, 0, 0, 0, b"", b"", None, (), 0)
    kept = {
        "conversation_id",
        "seq",
        "revision",
        "sender_id",
        "client_message_id",
        "request_hash",
        "created_at",
    }
    assert changed(bare, message.as_stored()) == kept


def test_a_retry_repeats_every_field() -> None:
    command = filled(SendMessage)
    unlike = {name for name, other in variants(command) if other.request_hash != command.request_hash}
    assert unlike == {it.name for it in fields(SendMessage)} - {"sender_id", "client_message_id"}
    attachment = filled(Attachment)
    for name, other in variants(attachment):
        one = replace(command, attachments=(attachment,)).request_hash
        assert one != replace(command, attachments=(other,)).request_hash, name


def test_a_retry_repeats_every_extra() -> None:
    extras = filled(Extras)
    command = filled(SendMessage, extras=extras)
    for name, other in variants(extras):
        again = replace(command, extras=other).request_hash == command.request_hash
        assert again is (name == "reactions"), name
    assert command.request_hash != replace(command, extras=None).request_hash


def test_the_hash_of_a_request_is_the_same_for_ever() -> None:
    attachments = (Attachment("u", "image/png", 1, 2, 3, "n"), Attachment("v", "text/plain"))
    plain = SendMessage(1, 2, bytes(16), "body")
    assert plain.request_hash.hex() == "7235dcfa8e35bc19a97ea2abcd55cea4"
    whole = replace(plain, reply_to_seq=7, attachments=attachments)
    assert whole.request_hash.hex() == "f05d35ba05c5922a3e8e287fe9521835"
    extras = Extras(
        "custom:x", "{}", Mentions((2, 1), everyone=True), silent=True, forwarded_from=Forwarded(3, 4)
    )
    assert replace(whole, extras=extras).request_hash.hex() == "ba3cc97c0d6fe8cfed33e237f3a3bba2"


def test_rejoining_keeps_of_the_row_its_place_in_the_log_of_the_user() -> None:
    group = replace(conversation, kind=Kind.GROUP, last_seq=500, history=History.FROM_JOINING)
    gone = replace(filled(Member, conversation_id=group.id, user_id=5, active=False), role=Role.ADMIN)
    admin = replace(sender, role=Role.ADMIN)
    memory = Memory(
        LIMITS,
        conversations={group.id: group},
        members={(group.id, it.user_id): it for it in (admin, gone)},
        me={gone.user_id: 0},
    )
    (row,) = memory.decide(AddMembers(group.id, admin.user_id, (gone.user_id,)), NOW).members
    kept = {it.name for it in fields(Member)} - changed(gone, row)
    assert kept == {"conversation_id", "user_id", "me_revision"}
