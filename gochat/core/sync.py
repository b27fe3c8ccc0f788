"""What a phone lacks, decided from what it has and how far each conversation is.

`Agenda` says which conversations to look at, and in which order; `start` from where each is told; `Page` how
much of that one answer holds. Storage only reads what they name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from gochat.core.delta import Delta
from gochat.core.limits import Limits
from gochat.core.model import NOTHING_SET, Conversation, ConversationId, Member, Message, Millis, Private
from gochat.core.queries import SyncPosition, SyncRequest
from gochat.core.sizes import bare_size, delta_size, message_size
from gochat.core.values import value

NEWEST = 50
"""Messages that come with a conversation which is told whole."""
MAX_CHANGES = 200
"""More changed messages than this are not told one by one: the conversation is told whole."""
MAX_FOLLOWED = 2_000
"""Revisions by which a socket may be behind, and still be told all that changed, part by part."""
MAX_BYTES = 256 * 1024
"""So much is told in one answer, or one message, so that it gets through a slow line before more comes."""
FIRST = 20
"""Conversations on the first page of a phone that has nothing: what its first screen shows."""
FIRST_BYTES = 56 * 1024
"""How much that page tells of them: with all else that it says it stays below 64 KiB."""
MAX_REMOVED = 500
"""Conversations that one answer says a user is not in: a phone can name many, whatever they are in."""
MARGIN = 60_000
"""Milliseconds by which the time of a message may lie before its commit."""


class Outline(NamedTuple):
    """One of a user's memberships, present or past, and how far its conversation is."""

    conversation_id: ConversationId
    left_at: int
    """The revision at which they left; 0: they are a member."""
    revision: int
    """The conversation's."""
    last_message_at: Millis


class Candidate(NamedTuple):
    """A conversation of which a phone lacks something. `known` None: it has nothing of it."""

    outline: Outline
    known: int | None
    moved: bool
    """Looked at once more, because it has a message from after the start."""


@value(frozen=True, slots=True)
class Item:
    """One conversation to tell: what changed after `since`, or whole. `me` None: for all its members."""

    conversation: Conversation
    me: Member | None
    last_message: Message | None
    since: int
    whole: bool = False
    gap: bool = False
    messages: int = 0
    """At most so many are told."""
    private: Private = NOTHING_SET
    """Of `me`."""
    partial: bool = False
    """Only the first `messages` of those that changed; the rest comes with the next page."""

    @property
    def visible_from_seq(self) -> int:
        """The first message that may be told."""
        return 1 if self.me is None else self.me.visible_from_seq


def start(
    conversation: Conversation,
    me: Member | None,
    last: Message | None,
    known: int | None,
    private: Private = NOTHING_SET,
) -> Item:
    """From where to tell a conversation to a phone, or a process (`me` None), that has revision `known`.

    If it has none: whole. If the server never had that revision, or the member joined after it: whole, with
    `gap`.
    """
    item = Item(conversation, me, last, known or 0, private=private)
    if not known:
        return replace(item, whole=True)
    joined = 1 if me is None else me.joined_revision
    if not joined <= known <= conversation.revision:
        return replace(item, since=0, whole=True, gap=True)
    return item


def settle(item: Item, changed: int, *, in_parts: bool = False) -> Item:
    """How much there is to tell at most.

    Args:
        item: as `start` made it.
        changed: how many messages changed after `item.since`, of those they may see, or a few more; any
            number above `MAX_CHANGES` means too many to tell one by one.
        in_parts: of more than that, up to `MAX_FOLLOWED`, the first are told.
    """
    if changed > MAX_CHANGES and not item.whole:
        if in_parts and item.conversation.revision - item.since <= MAX_FOLLOWED:
            return replace(item, messages=MAX_CHANGES, partial=True)
        item = replace(item, since=0, whole=True, gap=True)
    if not item.whole:
        return replace(item, messages=changed)
    return replace(item, messages=min(NEWEST, item.conversation.last_seq - item.visible_from_seq + 1))


def fit(deltas: Sequence[Delta]) -> Sequence[Delta]:
    """As many of an answer's deltas as `MAX_BYTES` allow, but at least the first part of the first."""
    room = MAX_BYTES
    for place, delta in enumerate(deltas):
        room -= delta_size(delta)
        if room < 0:
            return deltas[:place] or (_first_part(delta),)
    return deltas


def fit_first(deltas: Sequence[Delta]) -> Sequence[Delta]:
    """As many as `FIRST_BYTES` allow, each with as many of its newest messages as its share holds."""
    room, bare = FIRST_BYTES, [bare_size(delta) for delta in deltas]
    count = 0
    while count < len(deltas) and (not count or bare[count] <= room):
        room -= bare[count]
        count += 1
    fitting: list[Delta] = []
    for place, delta in enumerate(deltas[:count]):
        share = room // (count - place)
        messages: list[Message] = []
        for message in sorted(delta.messages, key=lambda it: it.seq, reverse=True):
            share -= message_size(message)
            if share < 0:
                break
            room -= message_size(message)
            messages.append(message)
        fitting.append(replace(delta, messages=_by_seq(messages)))
    return fitting


def parts(delta: Delta, room: int) -> Iterator[Delta]:
    """A delta for all members in parts of at most `room` bytes, or of one message each; from 0 it is one.

    Each follows on the one before it. The conversation's own fields come with the last.
    """
    rest = delta
    while rest.since:
        first = _as_fit(_by_revision(rest), room)
        if len(first) == len(rest.messages):
            break
        revision = first[-1].revision
        yield Delta(
            delta.conversation_id,
            rest.since,
            revision,
            members=tuple(it for it in rest.members if it.revision <= revision),
            messages=_by_seq(first),
        )
        rest = replace(
            rest,
            since=revision,
            members=tuple(it for it in rest.members if it.revision > revision),
            messages=tuple(it for it in rest.messages if it.revision > revision),
        )
    yield rest


def is_partial(delta: Delta) -> bool:
    """Whether it tells a conversation only up to a revision before its present one."""
    return delta.conversation is not None and delta.revision < delta.conversation.revision


def _first_part(delta: Delta) -> Delta:
    """Of what changed, what changed first; of a conversation that is told whole, the newest messages."""
    room = MAX_BYTES - bare_size(delta)
    if delta.since == 0:
        newest = sorted(delta.messages, key=lambda it: it.seq, reverse=True)
        return replace(delta, messages=tuple(reversed(_as_fit(newest, room))))
    first = _as_fit(_by_revision(delta), room)
    if len(first) == len(delta.messages):
        return delta
    revision = first[-1].revision
    members = delta.members
    if delta.me is not None:  # a process has to know of all who came and went before it tells anybody
        members = tuple(it for it in members if it.revision <= revision)
    return replace(delta, revision=revision, members=members, messages=_by_seq(first))


def _by_revision(delta: Delta) -> Sequence[Message]:
    return sorted(delta.messages, key=lambda it: it.revision)


def _by_seq(messages: Iterable[Message]) -> tuple[Message, ...]:
    return tuple(sorted(messages, key=lambda it: it.seq))


def _as_fit(messages: Sequence[Message], room: int) -> Sequence[Message]:
    """The first of them, as many as fit, but one at least."""
    for place, message in enumerate(messages):
        room -= message_size(message)
        if room < 0 and place:
            return messages[:place]
    return messages


class Page:
    """Fills one answer. `limit` counts messages; what has none counts as one, and so do eight members.

    `share`: so many come with a conversation that is told whole.
    """

    def __init__(self, limit: int, limits: Limits, *, share: int | None = None) -> None:
        self.items: list[Item] = []
        self._limit = self._room = limit
        self._share = limit if share is None else share
        self.limits = limits

    def take(self, item: Item) -> bool:
        """Put in a conversation, or the first part of its changes; False: it does not fit any more.

        The first one always fits: a whole one with as many messages as `limit` allows.
        """
        if item.whole:
            item = replace(item, messages=min(item.messages, self._share))
        cost = self._cost(item)
        if self.items and cost > self._room and (item.whole or self._room == 0):
            return False
        if item.messages > self._room:
            item = replace(item, messages=self._room, partial=True)
        self.items.append(item)
        self._room = max(0, self._room - cost)
        return True

    def _cost(self, item: Item) -> int:
        cost, members = max(1, item.messages), item.conversation.member_count
        if members > self.limits.shown_members:  # no rows of theirs come with it
            return cost
        rows = members if item.whole else min(members, item.conversation.revision - item.since)
        return max(cost, rows // 8)


class Agenda:
    """Which of a user's conversations to look at, in an order in which, page by page, none is passed over.

    First all by `last_message_at`, newest first, as far as they stand below the position. One that was still
    to come may move up meanwhile: then it has a message from after the start, and at the end all that have
    are gone through once more, by id. So a phone that sends the `known` of its first request again with
    every cursor hears of everything (of some twice); one that sends what it knows by then hears it once.

    Args:
        outlines: all of the user's.
        epoch: the server's. To a phone with another one all is told whole, page after page.
        now: the database's clock.
    """

    def __init__(self, outlines: Iterable[Outline], request: SyncRequest, epoch: str, now: Millis) -> None:
        position = request.position
        lost = (request.epoch if position is None else position.epoch) not in (None, epoch)
        self.gap = lost or (position is not None and position.gap)
        """What the phone knows is of a history that was lost."""
        self._position = None if lost else position
        self._started_at = now - MARGIN if self._position is None else self._position.started_at
        self._request = request
        self._epoch = epoch
        self._outlines = {outline.conversation_id: outline for outline in outlines}

    def candidates(self) -> list[Candidate]:
        """The conversations of which the phone lacks something."""
        lacking = [
            Candidate(outline, known, moved=False)
            for outline in self._outlines.values()
            if not outline.left_at and (known := self._known(outline.conversation_id)) != outline.revision
        ]
        ahead = sorted(filter(self._is_ahead, lacking), key=_at, reverse=True)
        once = {candidate.outline.conversation_id for candidate in ahead}
        # One that the phone still does not name may have been told since: only a gap makes it discard that.
        again = [
            it._replace(moved=True, known=it.known or -1) for it in lacking if self._has_moved(it.outline)
        ]
        if self._position is not None and self._position.removed_after is not None:
            return []
        return ahead + sorted(it for it in again if it.outline.conversation_id not in once)

    def after(self, last: Candidate, told: int) -> SyncPosition:
        """Where the next page goes on. `told`: the revision up to which the last is told; 0: all of it."""
        at, conversation_id = _at(last)
        return SyncPosition(self._started_at, last.moved, at, conversation_id, told, self._epoch, self.gap)

    def removed(self) -> tuple[tuple[Delta, ...], SyncPosition | None]:
        """What the phone names and the user is no member of, for the last pages, and where the next goes on.

        Where they never were looks the same as what never was.
        """
        after = None if self._position is None else self._position.removed_after
        gone = sorted(
            conversation_id
            for conversation_id in self._request.known
            if (after is None or conversation_id > after)
            and ((outline := self._outlines.get(conversation_id)) is None or outline.left_at)
        )
        told = tuple(self._removed(it, self._request.known[it]) for it in gone[:MAX_REMOVED])
        if len(told) == len(gone):
            return told, None
        last = told[-1].conversation_id
        return told, SyncPosition(self._started_at, True, 0, 0, 0, self._epoch, self.gap, last)

    def me_since(self, revision: int) -> tuple[int, bool] | None:
        """After which revision of their own log, now at `revision`, to tell it, and whether with `gap`.

        None: nothing to tell. It comes with the first page.
        """
        known = self._request.me
        if self._position is not None:
            return None
        if known is None:
            return 0, False
        if self.gap or not 0 <= known <= revision:
            return 0, True
        return None if known == revision else (known, False)

    def _known(self, conversation_id: ConversationId) -> int | None:
        known = self._request.known.get(conversation_id)
        if self.gap:
            return -1 if known else None
        position = self._position
        if position is not None and position.revision and position.conversation_id == conversation_id:
            return position.revision if known is None else max(known, position.revision)
        return known

    def _is_ahead(self, candidate: Candidate) -> bool:
        position = self._position
        if position is None:
            return True
        if position.moved:
            return False
        here, there = _at(candidate), (position.at, position.conversation_id)
        return here < there or (here == there and position.revision > 0)

    def _has_moved(self, outline: Outline) -> bool:
        position = self._position
        if position is None or outline.last_message_at <= position.started_at:
            return False
        if not position.moved or outline.conversation_id > position.conversation_id:
            return True
        return outline.conversation_id == position.conversation_id and position.revision > 0

    def _removed(self, conversation_id: ConversationId, known: int) -> Delta:
        """With a revision above what the phone has, or it would ignore it.

        That is right if it has heard of the end already: a revision still to come would hide that they come
        back.
        """
        outline = self._outlines.get(conversation_id)
        left_at = 0 if outline is None else outline.left_at
        revision = known if known == left_at else max(known + 1, left_at)
        return Delta(conversation_id, since=known, revision=revision, removed=True)


def _at(candidate: Candidate) -> tuple[Millis, ConversationId]:
    return candidate.outline.last_message_at, candidate.outline.conversation_id
