"""What a phone is told, page by page, while the conversations go on."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gochat.core.delta import Delta
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, History, Kind, Member, Message, Role
from gochat.core.queries import SyncPosition, SyncRequest
from gochat.core.sizes import bare_size, delta_size, message_size
from gochat.core.sync import (
    FIRST,
    FIRST_BYTES,
    MARGIN,
    MAX_BYTES,
    MAX_CHANGES,
    MAX_FOLLOWED,
    MAX_REMOVED,
    NEWEST,
    Agenda,
    Candidate,
    Item,
    Outline,
    Page,
    fit,
    fit_first,
    is_partial,
    parts,
    settle,
    start,
)

LIMITS = Limits()
EPOCH = "e1"


def conversation(revision: int = 10, last_seq: int = 5, members: int = 2, cid: int = 1) -> Conversation:
    return Conversation(
        cid, Kind.GROUP, None, History.FROM_START, revision, last_seq, 0, members, created_at=0, created_by=1
    )


def member(joined_revision: int = 1, visible_from_seq: int = 1) -> Member:
    return Member(1, 1, Role.MEMBER, True, joined_revision, joined_revision, visible_from_seq)


def request(
    known: dict[int, int] | None = None,
    me: int | None = None,
    epoch: str | None = EPOCH,
    position: SyncPosition | None = None,
    limit: int = 200,
) -> SyncRequest:
    return SyncRequest(known or {}, me, epoch, position, limit)


def test_how_much_is_told_at_once() -> None:
    """As the protocol has it; and by how much the time of a message may lie before its commit."""
    assert (NEWEST, MAX_CHANGES, MAX_FOLLOWED, MAX_REMOVED, FIRST) == (50, 200, 2_000, 500, 20)
    assert (MAX_BYTES, FIRST_BYTES, MARGIN) == (262_144, 57_344, 60_000)


class TestStart:
    @pytest.mark.parametrize("known", [None, 0])
    def test_nothing_known_is_told_whole(self, known: int | None) -> None:
        item = start(conversation(), member(), None, known)
        assert (item.since, item.whole, item.gap) == (0, True, False)

    @pytest.mark.parametrize("known", [-1, 11, 2**53 - 1, -(2**63)])
    def test_a_revision_that_never_was_is_a_gap(self, known: int) -> None:
        item = start(conversation(), member(), None, known)
        assert (item.since, item.whole, item.gap) == (0, True, True)

    def test_one_from_before_joining_again_is_a_gap(self) -> None:
        assert start(conversation(), member(joined_revision=7), None, 6).gap
        assert not start(conversation(), member(joined_revision=7), None, 7).gap

    @pytest.mark.parametrize("known", [1, 9, 10])
    def test_otherwise_what_changed_after_it(self, known: int) -> None:
        item = start(conversation(), member(), None, known)
        assert item == Item(conversation(), member(), None, known, False, False, 0, partial=False)

    @pytest.mark.parametrize(("known", "gap"), [(-1, True), (1, False), (10, False), (11, True)])
    def test_a_process_may_have_any_revision_that_was(self, known: int, gap: bool) -> None:
        item = start(conversation(), None, None, known)
        assert (item.gap, item.visible_from_seq) == (gap, 1)


class TestSettle:
    def test_too_many_changes_are_a_gap(self) -> None:
        item = start(conversation(1000, 500), member(), None, 5)
        assert settle(item, MAX_CHANGES) == replace(item, messages=MAX_CHANGES)
        assert settle(item, MAX_CHANGES + 1) == replace(item, since=0, whole=True, gap=True, messages=NEWEST)

    def test_in_parts_the_first_of_many_are_told(self) -> None:
        behind = start(conversation(MAX_FOLLOWED + 5, 500), member(), None, 5)
        first = replace(behind, messages=MAX_CHANGES, partial=True)
        assert settle(behind, MAX_CHANGES + 1, in_parts=True) == first
        assert settle(behind, MAX_CHANGES, in_parts=True) == replace(first, partial=False)
        further = start(conversation(MAX_FOLLOWED + 6, 500), member(), None, 5)
        assert settle(further, MAX_CHANGES + 1, in_parts=True) == settle(further, MAX_CHANGES + 1)
        assert settle(further, MAX_CHANGES + 1).gap

    def test_whole_is_the_newest_page_of_what_he_sees(self) -> None:
        assert settle(start(conversation(), member(), None, None), 0).messages == 5
        assert settle(start(conversation(), member(1, 4), None, None), 0).messages == 2
        assert settle(start(conversation(), member(1, 6), None, None), 0).messages == 0

    def test_what_is_whole_already_is_no_gap_however_much_changed(self) -> None:
        item = start(conversation(), member(), None, None)
        assert settle(item, MAX_CHANGES + 1) == replace(item, messages=5)


class TestPage:
    def item(self, messages: int, *, whole: bool = False, members: int = 2) -> Item:
        of = conversation(1000, 1000, members)
        return Item(of, member(), None, since=0 if whole else 5, whole=whole, messages=messages)

    def test_changes_are_split_and_a_whole_conversation_is_not(self) -> None:
        page = Page(100, LIMITS)
        assert page.take(self.item(60))
        assert not page.take(self.item(50, whole=True))
        assert page.take(self.item(60))
        assert not page.take(self.item(0))
        assert [(it.messages, it.partial) for it in page.items] == [(60, False), (40, True)]

    def test_the_first_fits_whatever_the_limit(self) -> None:
        page = Page(1, LIMITS)
        assert page.take(self.item(50, whole=True))
        assert [(it.messages, it.partial) for it in page.items] == [(1, False)]
        page = Page(1, LIMITS)
        assert page.take(self.item(0, whole=True, members=256))
        assert not page.take(self.item(0))

    def test_conversations_without_messages_count(self) -> None:
        page = Page(3, LIMITS)
        assert [page.take(self.item(0)) for _ in range(4)] == [True, True, True, False]

    def test_lists_of_members_count(self) -> None:
        page = Page(100, LIMITS)
        taken = [page.take(self.item(0, whole=True, members=256)) for _ in range(4)]
        assert taken == [True, True, True, False]

    def left(self, page: Page) -> int:
        """So many messages have room."""
        page.take(self.item(500))
        return page.items[-1].messages

    @pytest.mark.parametrize(
        ("members", "since", "whole", "cost"),
        [
            (7, 0, True, 1),
            (256, 0, True, 32),
            (256, 5, False, 32),
            (256, 992, False, 1),
            (256, 920, False, 10),
            (LIMITS.shown_members, 0, True, LIMITS.shown_members // 8),
            (LIMITS.shown_members + 1, 0, True, 1),
        ],
    )
    def test_eight_members_count_as_a_message_where_they_are_shown(
        self, members: int, since: int, whole: bool, cost: int
    ) -> None:
        """Of changes no more of them than there are revisions."""
        page = Page(100, LIMITS)
        assert page.take(Item(conversation(1000, 1000, members), member(), None, since, whole))
        assert self.left(page) == 100 - cost

    def test_what_just_fits_is_taken_wholly(self) -> None:
        page = Page(100, LIMITS)
        assert page.take(self.item(60))
        assert page.take(self.item(40, whole=True))
        assert not page.take(self.item(0))
        assert [(it.messages, it.partial) for it in page.items] == [(60, False), (40, False)]
        page = Page(100, LIMITS)
        assert page.take(self.item(60))
        assert page.take(self.item(40))
        assert not page.items[-1].partial

    def test_room_for_one_message_is_room(self) -> None:
        page = Page(61, LIMITS)
        assert page.take(self.item(60))
        assert page.take(self.item(2))
        assert (page.items[-1].messages, page.items[-1].partial) == (1, True)

    @pytest.mark.parametrize(("share", "told"), [(None, 50), (60, 50), (10, 10)])
    def test_a_conversation_that_is_told_whole_may_have_a_share(self, share: int | None, told: int) -> None:
        page = Page(100, LIMITS, share=share)
        assert page.take(self.item(50, whole=True))
        assert page.items[0].messages == told
        assert self.left(page) == 100 - told


def message(seq: int, revision: int, size: int = 0) -> Message:
    """One of exactly so many bytes, or as small as can be."""
    empty = Message(1, seq, revision, 1, b"", b"", "", (), 0)
    return replace(empty, body="x" * max(0, size - message_size(empty)))


def row(revision: int) -> Member:
    return Member(1, revision, Role.MEMBER, True, revision, 1, 1)


def delta(
    since: int, revision: int, *messages: Message, title: str = "", rows: tuple[int, ...] = ()
) -> Delta:
    of = replace(conversation(revision), title=title)
    return Delta(1, since, revision, of, tuple(row(it) for it in rows), messages)


def sized(size: int) -> Delta:
    """Changes of exactly so many bytes."""
    return delta(5, 7, message(1, 7, size - bare_size(delta(5, 7))))


def seqs(told: Delta) -> list[int]:
    return [it.seq for it in told.messages]


class TestFit:
    def test_as_many_as_there_is_room_for(self) -> None:
        half = sized(MAX_BYTES // 2)
        assert delta_size(half) == MAX_BYTES // 2
        assert fit([]) == []
        assert fit([half, half]) == [half, half]
        assert fit([half, sized(MAX_BYTES // 2 + 1), half]) == [half]

    def test_one_message_at_least(self) -> None:
        huge = replace(sized(MAX_BYTES + 1), revision=9)
        assert list(fit([huge, huge])) == [huge]

    @pytest.mark.parametrize(("more", "told"), [(0, [2, 3]), (1, [3])])
    def test_of_too_many_changes_the_first(self, more: int, told: list[int]) -> None:
        room = MAX_BYTES - bare_size(delta(5, 20, rows=(6, 8, 9, 10)))
        third = message(3, 8, room // 2 + more)
        whole = delta(5, 20, message(1, 10), message(2, 9, room - room // 2), third, rows=(6, 8, 9, 10))
        (part,) = fit([whole])
        assert (seqs(part), part.revision) == (told, 9 if told == [2, 3] else 8)
        assert (part.since, part.conversation, part.members) == (5, whole.conversation, whole.members)
        (mine,) = fit([replace(whole, me=member())])
        assert [it.revision for it in mine.members] == ([6, 8, 9] if told == [2, 3] else [6, 8])

    @pytest.mark.parametrize(("more", "told"), [(0, [2, 3]), (1, [3])])
    def test_of_too_much_that_is_whole_the_newest(self, more: int, told: list[int]) -> None:
        room = MAX_BYTES - bare_size(delta(0, 20, rows=(6, 10)))
        third = message(3, 8, room // 2 + more)
        whole = delta(0, 20, message(1, 10), message(2, 9, room - room // 2), third, rows=(6, 10))
        (part,) = fit([whole])
        assert part == replace(whole, messages=tuple(it for it in whole.messages if it.seq in told))


class TestFirstScreen:
    @pytest.mark.parametrize(("more", "told"), [(0, [2, 3]), (1, [3])])
    def test_the_newest_messages_that_have_room(self, more: int, told: list[int]) -> None:
        room = FIRST_BYTES - bare_size(delta(0, 20))
        two = message(3, 8, room // 2 + more), message(2, 9, room - room // 2)
        (part,) = fit_first([delta(0, 20, message(1, 10), *two)])
        assert seqs(part) == told

    def test_each_conversation_has_its_share_and_what_others_left(self) -> None:
        room = FIRST_BYTES - 2 * bare_size(delta(0, 20))
        half = room // 2
        one, other = [
            delta(0, 20, *(message(seq, seq, size) for seq in (1, 2, 3))) for size in (half, half - 1)
        ]
        assert [seqs(it) for it in fit_first([one, other])] == [[3], [3]]
        over = delta(0, 20, message(1, 1, half + 1))
        assert [seqs(it) for it in fit_first([over, over])] == [[], [1]]
        rest = delta(0, 20, message(1, 1, room))
        assert [seqs(it) for it in fit_first([delta(0, 20), rest])] == [[], [1]]
        assert [seqs(it) for it in fit_first([delta(0, 20, message(1, 1)), rest])] == [[1], []]

    def test_as_many_conversations_as_have_room_and_one_at_least(self) -> None:
        assert fit_first([]) == []
        huge = delta(0, 20, message(1, 1), title="x" * FIRST_BYTES)
        assert fit_first([huge, huge]) == [replace(huge, messages=())]
        small = delta(0, 20)
        rest = FIRST_BYTES - 2 * bare_size(small)
        exact, over = delta(0, 20, title="x" * rest), delta(0, 20, title="x" * (rest + 1))
        assert fit_first([small, exact]) == [small, exact]
        assert fit_first([small, over, small]) == [small]


class TestParts:
    def test_they_follow_on_each_other_and_the_last_has_the_conversation(self) -> None:
        told = message(1, 7), message(2, 6), message(3, 9)
        whole = delta(5, 12, *told, rows=(6, 7, 8, 12))
        assert list(parts(whole, message_size(told[0]) + message_size(told[1]))) == [
            Delta(1, 5, 7, None, (row(6), row(7)), told[:2]),
            Delta(1, 7, 12, whole.conversation, (row(8), row(12)), told[2:]),
        ]
        tight = parts(whole, message_size(told[0]) + message_size(told[1]) - 1)
        assert [seqs(it) for it in tight] == [[2], [1], [3]]

    @pytest.mark.parametrize("since", [0, 5])
    def test_what_fits_or_is_told_from_the_start_is_one(self, since: int) -> None:
        whole = delta(since, 12, message(1, 7), message(2, 6), rows=(12,))
        assert list(parts(whole, 0 if since == 0 else MAX_BYTES)) == [whole]
        assert not is_partial(whole)

    def test_what_stops_before_the_end_is_partial(self) -> None:
        assert is_partial(replace(delta(5, 12), revision=11))
        assert not is_partial(Delta(1, 5, 12))


class TestMe:
    @pytest.mark.parametrize(
        ("me", "told"),
        [(None, (0, False)), (7, None), (3, (3, False)), (0, (0, False)), (8, (0, True)), (-1, (0, True))],
    )
    def test_own_log(self, me: int | None, told: tuple[int, bool] | None) -> None:
        assert Agenda([], request(me=me), EPOCH, 0).me_since(7) == told

    def test_with_another_epoch_it_is_told_anew(self) -> None:
        assert Agenda([], request(me=7, epoch="old"), EPOCH, 0).me_since(7) == (0, True)
        assert Agenda([], request(me=None, epoch="old"), EPOCH, 0).me_since(7) == (0, False)

    def test_it_comes_with_the_first_page(self) -> None:
        position = SyncPosition(0, False, 0, 1, 0, EPOCH, False)
        assert Agenda([], request(me=3, position=position), EPOCH, 0).me_since(7) is None


STARTED = 150
AT = [Outline(1, 0, 5, 300), Outline(2, 0, 5, 200), Outline(3, 0, 5, 200), Outline(4, 0, 5, 100)]
AT += [Outline(5, 0, 5, STARTED), Outline(6, 0, 5, STARTED + 1), Outline(7, 4, 5, 400)]
"""Conversations with messages at these times; the user has left the last."""


def at(cid: int, revision: int = 0, *, moved: bool = False, gap: bool = False) -> SyncPosition:
    """Behind a conversation of those, or within it."""
    return SyncPosition(STARTED, moved, AT[cid - 1].last_message_at, cid, revision, EPOCH, gap)


@pytest.mark.parametrize(
    ("known", "position", "told"),
    [
        ({}, None, [(1, None), (3, None), (2, None), (6, None), (5, None), (4, None)]),
        ({1: 5, 2: 4, 3: 6}, None, [(3, 6), (2, 4), (6, None), (5, None), (4, None)]),
        ({}, at(2), [(6, None), (5, None), (4, None), "again", (1, -1), (2, -1), (3, -1)]),
        ({}, at(2, 1), [(2, 1), (6, None), (5, None), (4, None), "again", (1, -1), (3, -1)]),
        ({2: 0}, at(2, 1), [(2, 1), (6, None), (5, None), (4, None), "again", (1, -1), (3, -1)]),
        ({}, at(2, 3), [(2, 3), (6, None), (5, None), (4, None), "again", (1, -1), (3, -1)]),
        ({2: 4}, at(2, 3), [(2, 4), (6, None), (5, None), (4, None), "again", (1, -1), (3, -1)]),
        ({1: 4, 2: 2}, at(2, 3), [(2, 3), (6, None), (5, None), (4, None), "again", (1, 4), (3, -1)]),
        ({}, at(4), ["again", (1, -1), (2, -1), (3, -1), (6, -1)]),
        ({}, at(2, moved=True), ["again", (3, -1), (6, -1)]),
        ({}, at(2, 1, moved=True), ["again", (2, 1), (3, -1), (6, -1)]),
        ({}, at(2, 3, moved=True), ["again", (2, 3), (3, -1), (6, -1)]),
        ({6: 4}, at(3, moved=True), ["again", (6, 4)]),
        ({1: 5, 4: 3}, at(5, gap=True), [(4, -1), "again", (1, -1), (2, -1), (3, -1), (6, -1)]),
    ],
)
def test_first_what_stands_below_and_then_once_more_what_moved_up(
    known: dict[int, int], position: SyncPosition | None, told: list[object]
) -> None:
    """In the order in which it is told, with what the phone has of it."""
    candidates = Agenda(AT, request(known, position=position), EPOCH, 900).candidates()
    split = told.index("again") if "again" in told else len(told)
    for moved, expected in ((False, told[:split]), (True, told[split + 1 :])):
        found = [it for it in candidates if it.moved is moved]
        assert [(it.outline.conversation_id, it.known) for it in found] == expected
    assert [it.moved for it in candidates] == sorted(it.moved for it in candidates)


@pytest.mark.parametrize(
    ("epoch", "position", "started_at", "gap"),
    [
        (EPOCH, None, 40_000, False),
        (None, None, 40_000, False),
        ("old", None, 40_000, True),
        ("old", at(2), STARTED, False),
        (EPOCH, at(2, gap=True), STARTED, True),
        (EPOCH, replace(at(2), epoch="old"), 40_000, True),
    ],
)
def test_where_the_next_page_goes_on(
    epoch: str | None, position: SyncPosition | None, started_at: int, gap: bool
) -> None:
    agenda = Agenda(AT, request(epoch=epoch, position=position), EPOCH, 40_000 + MARGIN)
    assert agenda.after(Candidate(AT[2], None, moved=False), 0) == SyncPosition(
        started_at, False, 200, 3, 0, EPOCH, gap
    )
    assert agenda.after(Candidate(AT[3], 4, moved=True), 7) == SyncPosition(
        started_at, True, 100, 4, 7, EPOCH, gap
    )


def test_what_is_removed_goes_on_behind_the_last_that_was_told() -> None:
    known = dict.fromkeys(range(1, MAX_REMOVED + 2), 1)
    told, position = Agenda([], request(known), EPOCH, MARGIN).removed()
    assert told == tuple(Delta(cid, since=1, revision=2, removed=True) for cid in range(1, MAX_REMOVED + 1))
    assert position == SyncPosition(0, True, 0, 0, 0, EPOCH, False, removed_after=MAX_REMOVED)
    told, position = Agenda([], request(known, position=position), EPOCH, MARGIN).removed()
    assert ([it.conversation_id for it in told], position) == ([MAX_REMOVED + 1], None)


def test_what_is_left_or_foreign_is_removed() -> None:
    outlines = [Outline(1, 0, 5, 0), Outline(2, 9, 20, 0), Outline(4, 9, 9, 0)]
    agenda = Agenda(outlines, request({1: 5, 2: 4, 3: 7, 4: 9}), EPOCH, 0)
    assert agenda.candidates() == []
    told = (
        Delta(2, since=4, revision=9, removed=True),
        Delta(3, since=7, revision=8, removed=True),
        Delta(4, since=9, revision=9, removed=True),
    )
    assert agenda.removed() == (told, None)


@pytest.mark.parametrize("forgets", [True, False])
def test_whatever_a_phone_names_one_answer_removes_only_so_many(*, forgets: bool) -> None:
    """Whether it names again what it was told is removed, or not."""
    outlines = [Outline(cid, 0 if cid % 100 else 3, 5, cid) for cid in range(1, 1_001)]
    known = dict.fromkeys(range(2_500, 0, -1), 5)
    kept = {cid for cid in range(1, 1_001) if cid % 100}
    told: list[int] = []
    position: SyncPosition | None = None
    for _ in range(4):
        agenda = Agenda(outlines, request(known, position=position), EPOCH, 0)
        assert agenda.candidates() == []
        removed, position = agenda.removed()
        assert len(removed) <= MAX_REMOVED
        told += [delta.conversation_id for delta in removed]
        if forgets:
            known = {cid: revision for cid, revision in known.items() if cid not in told}
    assert position is None
    assert sorted(told) == sorted(set(range(1, 2_501)) - kept)


def test_what_changed_meanwhile_is_told_by_the_next_sync() -> None:
    position = SyncPosition(0, True, 0, 0, 0, EPOCH, False, removed_after=7)
    assert Agenda([Outline(9, 0, 6, 1)], request({9: 5}, position=position), EPOCH, 2).candidates() == []


@dataclass
class Room:
    """A conversation of the model, as one user sees it; `messages`: seq to revision."""

    revision: int = 1
    joined: int = 1
    visible_from: int = 1
    active: bool = True
    left: int = 0
    at: int = 0
    messages: dict[int, int] = field(default_factory=dict)


@dataclass
class Server:
    """Conversations that go on, and storage's part of a sync over them."""

    rooms: dict[ConversationId, Room] = field(default_factory=dict)
    now: int = 1_000_000
    epoch: str = EPOCH
    counts: bool = True
    """Whether storage counts the messages that changed, or goes by the revisions."""

    def send(self, cid: ConversationId, lag: int) -> None:
        room = self.rooms.setdefault(cid, Room())
        room.revision += 1
        room.messages[len(room.messages) + 1] = room.revision
        room.at = max(room.at, self.now - lag)

    def edit(self, cid: ConversationId, seq: int) -> None:
        room = self.rooms.get(cid)
        if room is not None and room.messages:
            room.revision += 1
            room.messages[seq % len(room.messages) + 1] = room.revision

    def leave_or_join(self, cid: ConversationId) -> None:
        room = self.rooms.get(cid)
        if room is None:
            return
        room.revision += 1
        room.active = not room.active
        if room.active:
            room.joined = room.revision
            room.visible_from = len(room.messages) + 1
        else:
            room.left = room.revision

    def answer(self, asked: SyncRequest) -> tuple[list[Delta], SyncPosition | None]:
        outlines = [
            Outline(cid, 0 if room.active else room.left, room.revision, room.at)
            for cid, room in self.rooms.items()
        ]
        agenda = Agenda(outlines, asked, self.epoch, self.now)
        page = Page(asked.limit, LIMITS)
        candidates = agenda.candidates()
        done = 0
        for candidate in candidates:
            if not page.take(self._item(candidate.outline.conversation_id, candidate.known)):
                break
            done += 1
        deltas = [self._delta(item) for item in page.items]
        if page.items and page.items[-1].partial:
            return deltas, agenda.after(candidates[done - 1], deltas[-1].revision)
        if done < len(candidates):
            return deltas, agenda.after(candidates[done - 1], 0)
        removed, position = agenda.removed()
        return [*deltas, *removed], position

    def _item(self, cid: ConversationId, known: int | None) -> Item:
        room = self.rooms[cid]
        of = conversation(room.revision, len(room.messages), cid=cid)
        item = start(of, member(room.joined, room.visible_from), None, known)
        changed = len(self._changed(room, item.since))
        return settle(item, changed if self.counts else room.revision - item.since)

    def _delta(self, item: Item) -> Delta:
        room = self.rooms[item.conversation.id]
        seqs = sorted(self._changed(room, item.since), key=room.messages.__getitem__)
        if item.whole:
            seqs = sorted(seqs)[len(seqs) - item.messages :]
        seqs = seqs[: item.messages]
        cut = item.partial and len(seqs) == item.messages
        revision = room.messages[seqs[-1]] if cut else room.revision
        messages = tuple(
            Message(item.conversation.id, seq, room.messages[seq], 1, b"", b"", "", (), 0) for seq in seqs
        )
        return Delta(item.conversation.id, item.since, revision, messages=messages, gap=item.gap)

    def _changed(self, room: Room, since: int) -> list[int]:
        return [
            seq for seq, revision in room.messages.items() if revision > since and seq >= room.visible_from
        ]


@dataclass
class Held:
    """What a phone has of a conversation: from the seq `floor` on, all that it was told."""

    revision: int = 0
    floor: int = 1
    messages: dict[int, int] = field(default_factory=dict)


@dataclass
class Phone:
    """Applies deltas by the rule of the protocol. `forgetful`: sends the `known` of its first request."""

    forgetful: bool
    held: dict[ConversationId, Held] = field(default_factory=dict)

    @property
    def known(self) -> dict[ConversationId, int]:
        return {cid: held.revision for cid, held in self.held.items()}

    def apply(self, delta: Delta) -> None:
        cid = delta.conversation_id
        if delta.removed:
            self.held.pop(cid, None)
            return
        held = self.held.get(cid, Held())
        assert delta.since <= held.revision or delta.gap
        if delta.gap:
            held = Held()
        if delta.since == 0 and held.revision == 0:
            held.floor = min((it.seq for it in delta.messages), default=10**9)
        for message in delta.messages:
            held.messages[message.seq] = max(message.revision, held.messages.get(message.seq, 0))
        held.revision = max(held.revision, delta.revision)
        self.held[cid] = held


Cid = st.integers(1, 5)
Change = st.one_of(
    st.tuples(st.just("send"), Cid, st.integers(0, MARGIN - 1)),
    st.tuples(st.just("edit"), Cid, st.integers(0, 20)),
    st.tuples(st.just("leave_or_join"), Cid),
    st.tuples(st.just("wait"), st.integers(1, 100_000)),
)
Changes = st.lists(Change, max_size=12)


def happen(server: Server, changes: list[tuple[str, int, int]]) -> None:
    for what, *how in changes:
        if what == "wait":
            server.now += how[0]
        else:
            getattr(server, what)(*how)


@settings(max_examples=300)
@given(
    past=st.lists(Change, max_size=60),
    away=Changes,
    meanwhile=st.lists(Changes, max_size=6),
    limit=st.integers(1, 6),
    forgetful=st.booleans(),
    lost=st.booleans(),
    counts=st.booleans(),
    foreign=st.dictionaries(st.integers(1, 8), st.integers(-2, 40), max_size=3),
)
@example(  # Two messages come after the page on which a conversation was told to a phone that forgets.
    past=[],
    away=[("send", 1, 0), ("send", 2, 1)],
    meanwhile=[[("send", 1, 0), ("send", 1, 0)]],
    limit=1,
    forgetful=True,
    lost=False,
    counts=False,
    foreign={},
)
def test_no_page_passes_anything_over(
    past: list[tuple[str, int, int]],
    away: list[tuple[str, int, int]],
    meanwhile: list[list[tuple[str, int, int]]],
    limit: int,
    forgetful: bool,
    lost: bool,
    counts: bool,
    foreign: dict[int, int],
) -> None:
    server, phone = Server(counts=counts), Phone(forgetful)
    happen(server, past)
    sync(server, phone, request(limit=200))
    happen(server, away)
    if lost:
        server.epoch = "e2"
    at_start = {cid: room.revision for cid, room in server.rooms.items()}
    sync(server, phone, request(phone.known | foreign, limit=limit), meanwhile, foreign)
    for cid, room in server.rooms.items():
        if not room.active or cid in foreign or room.joined > at_start.get(cid, 0):
            continue
        held = phone.held[cid]
        assert held.revision >= at_start[cid]
        expected = {
            seq: revision
            for seq, revision in room.messages.items()
            if revision <= held.revision and seq >= max(held.floor, room.visible_from)
        }
        assert {seq: held.messages.get(seq) for seq in expected} == expected
    if not meanwhile:
        assert not [cid for cid in phone.held.keys() - foreign.keys() if not server.rooms[cid].active]


def sync(
    server: Server,
    phone: Phone,
    asked: SyncRequest,
    meanwhile: list[list[tuple[str, int, int]]] | None = None,
    lies: dict[int, int] | None = None,
) -> None:
    """Page after page. With `lies` the phone names revisions that it does not have."""
    coming = list(meanwhile or [])
    for _ in range(500):
        deltas, position = server.answer(asked)
        for delta in deltas:
            if delta.conversation_id not in (lies or {}):
                phone.apply(delta)
        if position is None:
            return
        if coming:
            happen(server, coming.pop(0))
        known = asked.known if phone.forgetful else phone.known
        asked = replace(asked, known=known, position=position)
    raise AssertionError("the pages never end")


@given(
    position=st.builds(
        SyncPosition,
        started_at=st.integers(-(2**70), 2**70),
        moved=st.booleans(),
        at=st.integers(-(2**70), 2**70),
        conversation_id=st.integers(-3, 8),
        revision=st.integers(-(2**70), 2**70),
        epoch=st.sampled_from([EPOCH, "e0", ""]),
        gap=st.booleans(),
    ),
    known=st.dictionaries(st.integers(-3, 8), st.integers(-(2**70), 2**70)),
)
def test_whatever_a_phone_claims_it_is_told_only_of_what_is_his(
    position: SyncPosition, known: dict[int, int]
) -> None:
    outlines = [Outline(cid, cid % 2, 5, cid) for cid in range(1, 7)]
    agenda = Agenda(outlines, request(known, position=position), EPOCH, 10)
    candidates = agenda.candidates()
    told = [candidate.outline.conversation_id for candidate in candidates]
    assert set(told) <= {2, 4, 6}
    assert len(told) == len(set(told))
    for candidate in candidates:
        item = start(conversation(revision=5), member(), None, candidate.known)
        assert item.whole or 1 <= item.since <= 5
    assert {delta.conversation_id for delta in agenda.removed()[0]} == known.keys() - {2, 4, 6}
