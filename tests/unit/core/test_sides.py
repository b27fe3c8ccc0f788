"""What members set for themselves, what ends it, and what it counts."""

import pytest

from gochat.core.errors import ChatError, InvalidPayload, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Conversation, History, Kind, Member, MuteLevel, Private, Role, Side
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.sides import FOREVER, Archive, Mark, Mute, Pin, SaveDraft, SideCommand
from gochat.core.state import State

ANNA, GONE, CID = 1, 2, 10
NOW = 1_000_000
LIMITS = Limits(body=5)


def state(command: SideCommand | AdvanceReceipts, side: Side | None = None) -> State:
    it = State()
    command.need(it.needs)
    it.__post_init__()
    it.conversations[CID] = Conversation(CID, Kind.GROUP, None, History.FROM_START, 9, 7, NOW, 2, 0, ANNA)
    for user_id, active in ((ANNA, True), (GONE, False)):
        it.members[(CID, user_id)] = Member(CID, user_id, Role.MEMBER, active, 1, 1, 1, 4, 4, 0)
        it.me[user_id] = 3
    if side is not None:
        it.sides[(CID, ANNA)] = side
    return it


def after(command: SideCommand, side: Side | None = None) -> Side | None:
    """The side that it writes; None: it writes nothing."""
    at = state(command, side)
    decision = command.decide(at, NOW, LIMITS)
    if not decision.sides:
        assert (decision.members, decision.me, decision.conversation) == ((), (), None)
        return None
    (member,) = decision.members
    assert (member.me_revision, member.revision, decision.me) == (4, 1, (ANNA,))
    at.apply(decision)
    assert at.me[ANNA] == 4
    (written,) = at.changed_sides.values()
    return written


def side(**fields: object) -> Side:
    return Side(ANNA, CID, **fields)  # type: ignore[arg-type]


def test_for_ever_is_the_last_time_that_every_app_can_count_to() -> None:
    """The largest whole number of JavaScript."""
    assert FOREVER == 9_007_199_254_740_991


NONE, MENTIONS = MuteLevel.NONE, MuteLevel.MENTIONS


@pytest.mark.parametrize(
    ("command", "before", "expected"),
    [
        (Mute(CID, ANNA, NOW + 1, NONE), None, side(muted_until=NOW + 1, mute_level=NONE)),
        (Mute(CID, ANNA, FOREVER, MENTIONS), None, side(muted_until=FOREVER, mute_level=MENTIONS)),
        (Mute(CID, ANNA, FOREVER + 1, MENTIONS), None, side(muted_until=FOREVER, mute_level=MENTIONS)),
        (Mute(CID, ANNA, 0, NONE), side(muted_until=NOW + 9, mute_level=NONE), side()),
        (Mute(CID, ANNA, 0, NONE), None, None),
        (Mute(CID, ANNA, NOW + 1, NONE), side(muted_until=NOW + 1, mute_level=NONE), None),
        (Archive(CID, ANNA, True), None, side(archived_seq=7)),
        (Archive(CID, ANNA, True), side(archived_seq=7), None),
        (Archive(CID, ANNA, True), side(archived_seq=6), side(archived_seq=7)),
        (Archive(CID, ANNA, False), side(archived_seq=7), side()),
        (Archive(CID, ANNA, False), side(archived_seq=6), None),
        (Archive(CID, ANNA, False), None, None),
        (Pin(CID, ANNA, True), None, side(pinned_at=NOW)),
        (Pin(CID, ANNA, True), side(pinned_at=1), None),
        (Pin(CID, ANNA, False), side(pinned_at=5), side()),
        (Mark(CID, ANNA, True), None, side(marked_seq=4)),
        (Mark(CID, ANNA, True), side(marked_seq=3), side(marked_seq=4)),
        (Mark(CID, ANNA, False), side(marked_seq=4), side()),
        (Mark(CID, ANNA, False), side(marked_seq=3), None),
        (SaveDraft(CID, ANNA, "hello"), None, side(draft="hello", draft_at=NOW)),
        (SaveDraft(CID, ANNA, "hello"), side(draft="hello", draft_at=5), None),
        (SaveDraft(CID, ANNA, ""), side(draft="hello", draft_at=5), side()),
        (SaveDraft(CID, ANNA, None), None, None),
    ],
)
def test_what_a_command_sets(command: SideCommand, before: Side | None, expected: Side | None) -> None:
    assert after(command, before) == expected


@pytest.mark.parametrize(
    ("command", "refusal", "field"),
    [
        (Mute(CID, ANNA, NOW, NONE), InvalidPayload, "until"),
        (Mute(CID, ANNA, 1, NONE), InvalidPayload, "until"),
        (SaveDraft(CID, ANNA, "longer"), InvalidPayload, "text"),
        (Pin(CID, GONE, True), NotFound, "conversation_id"),
    ],
)
def test_what_is_refused(command: SideCommand, refusal: type[ChatError], field: str) -> None:
    with pytest.raises(refusal) as refused:
        after(command)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("it", "unread", "mentions", "counted"),
    [
        (side(), 3, 1, 3),
        (side(muted_until=NOW + 1, mute_level=NONE), 3, 1, 0),
        (side(muted_until=NOW + 1, mute_level=MENTIONS), 3, 1, 1),
        (side(muted_until=NOW + 1, mute_level=MuteLevel.ALL), 3, 1, 3),
        (side(muted_until=NOW, mute_level=NONE), 3, 1, 3),
        (side(marked_seq=4), 0, 0, 1),
        (side(marked_seq=4), 3, 0, 3),
        (side(marked_seq=3), 0, 0, 0),
        (side(marked_seq=4, muted_until=NOW + 1, mute_level=NONE), 0, 0, 0),
        (side(archived_seq=7), 3, 0, 3),
    ],
)
def test_what_counts(it: Side, unread: int, mentions: int, counted: int) -> None:
    member = Member(CID, ANNA, Role.MEMBER, True, 1, 1, 1, 4, 4, 0)
    assert it.counted(member, 4 + unread, mentions, NOW) == counted


@pytest.mark.parametrize(
    ("it", "last_seq", "archived"),
    [
        (side(archived_seq=7), 7, True),
        (side(archived_seq=7), 8, False),
        (side(archived_seq=7, muted_until=NOW + 1, mute_level=NONE), 8, True),
        (side(archived_seq=7, muted_until=NOW, mute_level=NONE), 8, False),
        (side(archived_seq=0), 0, True),
        (side(), 0, False),
    ],
)
def test_a_message_ends_an_archive_unless_it_is_muted(it: Side, last_seq: int, archived: bool) -> None:
    member = Member(CID, ANNA, Role.MEMBER, True, 1, 1, 1)
    assert Private.of(it, member, last_seq, 0, NOW).archived is archived


@pytest.mark.parametrize(("read_seq", "read"), [(4, 4), (2, 4), (6, 6)])
def test_reading_takes_the_mark_away(read_seq: int, read: int) -> None:
    command = AdvanceReceipts(CID, {ANNA: Position(read_seq, read_seq)})
    at = state(command, side(marked_seq=4))
    at.deleted_after[(CID, ANNA, read_seq)] = 0
    decision = command.decide(at, NOW, LIMITS)
    assert decision.sides == (side(),)
    assert decision.me == (ANNA,)
    assert decision.members == (
        Member(CID, ANNA, Role.MEMBER, True, 10, 1, 1, read, read, 0, read_seq, read_seq, me_revision=4),
    )


def test_delivery_leaves_the_mark() -> None:
    command = AdvanceReceipts(CID, {ANNA: Position(6, 0)})
    decision = command.decide(state(command, side(marked_seq=4)), NOW, LIMITS)
    assert decision.sides == ()
