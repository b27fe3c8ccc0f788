"""What a message may have besides its text, by whom, and until when."""

from dataclasses import replace

import pytest

from gochat.core.command import AnyCommand
from gochat.core.errors import (
    ChatError,
    Forbidden,
    InvalidPayload,
    LimitExceeded,
    MessageDeleted,
    NotFound,
    Superseded,
)
from gochat.core.limits import Limits
from gochat.core.messages import KEEP, DeleteMessage, EditMessage, SendMessage
from gochat.core.model import (
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
from tests.unit.core.memory import Memory

ANNA, BEN, GONE, STRANGER = 1, 2, 3, 4
HERE, THERE = 10, 20
NOW = 1_000_000
LIMITS = Limits(edit_within_s=60, delete_within_s=60)


def memory(limits: Limits = LIMITS) -> Memory:
    def conversation(cid: int) -> Conversation:
        return Conversation(cid, Kind.GROUP, None, History.FROM_START, 9, 3, NOW, 2, 0, ANNA)

    def member(cid: int, user_id: int, role: Role = Role.MEMBER, **other: int) -> Member:
        active = bool(other.pop("active", 1))
        return Member(cid, user_id, role, active, 1, 1, other.pop("visible_from_seq", 1))

    members = [
        member(HERE, ANNA),
        member(HERE, BEN, Role.OWNER),
        member(HERE, GONE, active=0),
        member(THERE, ANNA, visible_from_seq=2),
        member(THERE, GONE),
    ]
    plain = Message(HERE, 1, 1, ANNA, bytes(16), bytes(16), "hi", (), NOW)
    messages = [
        plain,
        replace(plain, seq=2, extras=Extras("custom:card", '{"a":1}', Mentions((BEN,)))),
        replace(plain, conversation_id=THERE),
        replace(plain, conversation_id=THERE, seq=2),
        replace(plain, conversation_id=THERE, seq=3, body=None, deleted_at=NOW),
    ]
    return Memory(
        limits,
        {cid: conversation(cid) for cid in (HERE, THERE)},
        {(it.conversation_id, it.user_id): it for it in members},
        {(it.conversation_id, it.seq): it for it in messages},
        {ANNA: 0},
    )


def send(extras: Extras, body: str = "hi", sender: int = ANNA) -> SendMessage:
    return SendMessage(HERE, sender, b"k" * 16, body, extras=extras)


@pytest.mark.parametrize(
    "command",
    [
        send(Extras("custom:card")),
        send(Extras("custom:card", '{"a":1}'), body=""),
        send(Extras(data='"' + "é" * 2047 + '"')),
        send(Extras(mentions=Mentions((ANNA, BEN)))),
        send(Extras(mentions=Mentions(everyone=True))),
        send(Extras(mentions=Mentions((ANNA,) * LIMITS.mentions))),
        send(Extras(silent=True)),
        send(Extras(forwarded_from=Forwarded(HERE, 2))),
        send(Extras(forwarded_from=Forwarded(THERE, 2))),
    ],
)
def test_what_may_be_sent(command: SendMessage) -> None:
    created = memory().decide(command, NOW).created
    assert created is not None
    assert created.extras == command.extras


@pytest.mark.parametrize(
    ("command", "refusal", "field"),
    [
        (send(Extras(data="x" * 4097)), InvalidPayload, "data"),
        (send(Extras(data="é" * 2049)), InvalidPayload, "data"),
        (send(Extras("custom:card"), body=" "), InvalidPayload, "body"),
        (send(Extras(mentions=Mentions((STRANGER,)))), InvalidPayload, "mentions.user_ids"),
        (send(Extras(mentions=Mentions((BEN, GONE)))), InvalidPayload, "mentions.user_ids"),
        (send(Extras(mentions=Mentions(tuple(range(51))))), LimitExceeded, "mentions.user_ids"),
        (send(Extras(forwarded_from=Forwarded(THERE, 1))), NotFound, "forwarded_from"),
        (send(Extras(forwarded_from=Forwarded(THERE, 9))), NotFound, "forwarded_from"),
        (send(Extras(forwarded_from=Forwarded(30, 1))), NotFound, "forwarded_from"),
        (send(Extras(forwarded_from=Forwarded(THERE, 3))), MessageDeleted, "forwarded_from"),
        (send(Extras(forwarded_from=Forwarded(THERE, 2)), sender=BEN), NotFound, "forwarded_from"),
    ],
)
def test_what_may_not(command: AnyCommand, refusal: type[ChatError], field: str) -> None:
    with pytest.raises(refusal) as refused:
        memory().decide(command, NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("edit", "extras"),
    [
        (EditMessage(HERE, ANNA, 2, "new"), Extras("custom:card", '{"a":1}', Mentions((BEN,)))),
        (EditMessage(HERE, ANNA, 2, KEEP, data="{}"), Extras("custom:card", "{}", Mentions((BEN,)))),
        (EditMessage(HERE, ANNA, 2, KEEP, data=None), Extras("custom:card", None, Mentions((BEN,)))),
        (EditMessage(HERE, ANNA, 2, KEEP, mentions=None), Extras("custom:card", '{"a":1}')),
        (EditMessage(HERE, ANNA, 1, KEEP, mentions=Mentions((BEN,))), Extras(mentions=Mentions((BEN,)))),
        (EditMessage(HERE, ANNA, 1, "", data="{}"), Extras(data="{}")),
    ],
)
def test_what_an_edit_changes(edit: EditMessage, extras: Extras) -> None:
    edited = memory().decide(edit, NOW + 60_000).updated
    assert edited is not None
    assert edited.extras == extras
    assert edited.body == ({1: "hi", 2: "hi"}[edit.seq] if edit.body is KEEP else edit.body)


@pytest.mark.parametrize(
    "edit", [EditMessage(HERE, ANNA, 2, "hi"), EditMessage(HERE, ANNA, 2, KEEP, data='{"a":1}')]
)
def test_the_same_edit_changes_nothing_and_is_never_too_late(edit: EditMessage) -> None:
    decision = memory().decide(edit, NOW + 10_000_000)
    assert decision.updated is None


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        (EditMessage(HERE, ANNA, 1, KEEP, data="x" * 5000), InvalidPayload),
        (EditMessage(HERE, ANNA, 1, KEEP, mentions=Mentions((STRANGER,))), InvalidPayload),
        (EditMessage(HERE, ANNA, 1, "", mentions=None), InvalidPayload),
        (EditMessage(HERE, BEN, 1, "x"), Forbidden),
    ],
)
def test_what_an_edit_may_not(edit: EditMessage, refusal: type[ChatError]) -> None:
    with pytest.raises(refusal):
        memory().decide(edit, NOW)


@pytest.mark.parametrize(
    "command", [EditMessage(HERE, ANNA, 1, "late"), DeleteMessage(HERE, ANNA, 1)], ids=["edit", "delete"]
)
def test_it_is_too_late_after_a_while(command: AnyCommand) -> None:
    assert memory().decide(command, NOW + 60_000).updated is not None
    with pytest.raises(Forbidden) as refused:
        memory().decide(command, NOW + 60_001)
    assert refused.value.details == {"reason": "too_late", "limit": 60}
    assert memory(Limits()).decide(command, NOW + 60_001).updated is not None


def test_an_admin_deletes_for_ever() -> None:
    assert memory().decide(DeleteMessage(HERE, BEN, 1), NOW + 60_001).updated is not None


def test_mentions_are_kept_as_they_change() -> None:
    it = memory()
    state = it._load([EditMessage(HERE, ANNA, 2, KEEP, mentions=Mentions((ANNA,), everyone=True))])
    for command in (
        EditMessage(HERE, ANNA, 2, KEEP, mentions=Mentions((ANNA,), everyone=True)),
        DeleteMessage(HERE, ANNA, 2),
    ):
        state.apply(command.decide(state, NOW, LIMITS))
        if isinstance(command, EditMessage):
            assert state.changed_mentions == {
                (HERE, BEN, 2): False,
                (HERE, ANNA, 2): True,
                (HERE, 0, 2): True,
            }
    assert not any(state.changed_mentions.values())


def test_an_old_edit_undoes_no_newer_one() -> None:
    """Of two devices that saw revision 1 one was first; what the other retries names what it saw."""
    rows = memory()
    first = rows.decide(EditMessage(HERE, ANNA, 1, "newer", revision=1), NOW).updated
    assert first is not None
    rows.messages[(HERE, 1)] = first
    with pytest.raises(Superseded) as refused:
        rows.decide(EditMessage(HERE, ANNA, 1, "older", revision=1), NOW)
    assert refused.value.details == {"revision": first.revision}
    assert not refused.value.retryable
    assert rows.decide(EditMessage(HERE, ANNA, 1, "newer", revision=1), NOW).result == first
    again = rows.decide(EditMessage(HERE, ANNA, 1, "again", revision=first.revision), NOW).updated
    assert again is not None
    assert again.body == "again"


@pytest.mark.parametrize(
    ("read", "told", "read_seq", "skipped"),
    [(None, None, 4, 0), (0, 0, 0, 1), (2, 2, 2, 1), (3, None, 4, 0), (99, None, 4, 0)],
)
def test_what_was_written_without_having_read_all_marks_no_more_as_read(
    read: int | None, told: int | None, read_seq: int, skipped: int
) -> None:
    """Three messages are there, none of them read; the one that is sent never counts as unread."""
    rows = memory()
    extras = None if read is None else Extras(read_up_to=read)
    decision = rows.decide(SendMessage(HERE, ANNA, b"k" * 16, "hi", extras=extras), NOW)
    (member,) = decision.members
    assert decision.created is not None
    assert (decision.created.extras or Extras()).read_up_to == told
    assert (member.read_seq, member.skipped) == (read_seq, skipped)
    assert member.unread(4) == 4 - read_seq - skipped
    assert decision.me == (() if told is None else (ANNA,))


@pytest.mark.parametrize(
    ("before", "read", "after"),
    [  # delivered, read and skipped
        ((3, 3, 0), 1, (4, 4, 0)),  # another device has read all meanwhile
        ((3, 2, 1), 2, (3, 2, 2)),  # what is read already stays as it is counted
        ((3, 2, 1), 1, (3, 2, 2)),
        ((3, 1, 1), 2, (3, 2, 6)),  # five of those before stand for deleted ones
        ((1, 1, 0), 2, (2, 2, 6)),
    ],
)
def test_what_another_device_has_read_meanwhile_stays_read(
    before: tuple[int, int, int], read: int, after: tuple[int, int, int]
) -> None:
    rows = memory()
    delivered_seq, read_seq, skipped = before
    rows.members[(HERE, ANNA)] = replace(
        rows.members[(HERE, ANNA)], delivered_seq=delivered_seq, read_seq=read_seq, skipped=skipped
    )
    rows.me[ANNA] = 40
    command = SendMessage(HERE, ANNA, b"k" * 16, "hi", extras=Extras(read_up_to=read))
    state = rows._load([command])
    state.deleted_after[(HERE, ANNA, read)] = 5
    (member,) = command.decide(state, NOW, LIMITS).members
    assert (member.delivered_seq, member.read_seq, member.skipped) == after
    assert member.me_revision == 41


def test_who_says_how_far_they_read_is_told_of_their_own_side() -> None:
    needs = Needs()
    SendMessage(HERE, ANNA, b"k" * 16, "hi", extras=Extras(read_up_to=2)).need(needs)
    assert (needs.me, needs.sides, needs.deleted_after) == ({ANNA}, {(HERE, ANNA)}, {(HERE, ANNA, 2)})


def test_a_message_that_says_how_far_was_read_says_so_when_it_is_deleted() -> None:
    rows = memory()
    stored = replace(rows.messages[(HERE, 1)], extras=Extras("custom:card", "{}", read_up_to=0))
    rows.messages[(HERE, 1)] = stored
    deleted = rows.decide(DeleteMessage(HERE, ANNA, 1), NOW).updated
    assert deleted is not None
    assert deleted.extras == Extras(read_up_to=0)


def test_what_a_retry_repeats_is_as_it_was_before_there_was_more_to_say() -> None:
    assert Extras(silent=True).as_requested() == ["text", None, None, True, None]
    assert Extras(read_up_to=7).as_requested() == ["text", None, None, False, None, 7]
