"""What a phone holds after a sync, in few bytes; and what has changed since then, by the log of batches.

Revisions only grow, and rows of members are never deleted. So two sums tell exactly whether anything changed:
how many conversations a user is or was in, and how far all of these are. What changed is found in the log,
where each batch names the revisions before it: they add up to the sums, or the log does not tell it all.

The sums look at every conversation. Of a user in very many the log is asked first: if it is there without a
hole from what the position knew up to now, and names nothing of theirs, nothing is new. That has to hold by
itself, without sums to catch what is amiss: `Standing.follows` and `named` say when it does.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final

from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.queries import Batch
from gochat.core.sync import Outline
from gochat.core.values import value

MAX_PROCESSES: Final = 40
"""Of so many a position tells how far their log was. With more it only tells whether anything changed."""
MAX_BATCHES: Final = 1_000
"""More of the log than this is not read for one phone: comparing all revisions is cheaper."""
MANY: Final = 2_000
"""Of a user in so many conversations the log is asked before the sums."""
ROWS_A_BATCH: Final = 25
"""To read a batch costs about what so many conversations cost the sums."""
FOLLOWED_MS: Final[Millis] = 3_600_000
"""Only in this stretch of time and the next is a position followed by the log alone: whoever wrote since then
is in the log for certain."""
_EPOCH: Final = 4
_SUMS: Final = (4, 6, 6)
_MARK: Final = 4
_HEAD: Final = _EPOCH + sum(_SUMS) + _MARK
"""Bytes before the heads."""
_BITS: Final = 20
_MASK: Final = (1 << _BITS) - 1
"""Ids and numbers are kept by their last bits: should two be taken for one, the sums do not add up. With so
few a phone's whole `sync` has 400 bytes at most."""
_PAIR: Final = 2 * _BITS // 8
"""Bytes of an id and a number."""


@value(frozen=True, slots=True)
class Standing:
    """What a phone held. `count`, `total`: of the conversations the user is or was in, how far they are."""

    epoch: bytes
    count: int
    total: int
    me: int
    heads: Mapping[int, int] = field(default_factory=dict)
    """By the last bits of a process's id, those of the number of its last batch."""
    mark: bytes = bytes(_MARK)
    """Of all bits of the heads of every process, and of the time."""

    def pack(self) -> bytes:
        """As bytes: at most 224."""
        sums = zip((self.count, self.total, self.me), _SUMS, strict=True)
        heads = (process_id << _BITS | n for process_id, n in sorted(self.heads.items()))
        return b"".join(
            (
                self.epoch,
                *(number.to_bytes(size, "big") for number, size in sums),
                self.mark,
                *(pair.to_bytes(_PAIR, "big") for pair in heads),
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Standing":
        """The way back."""
        sizes = (*_SUMS, _MARK, *(_PAIR,) * ((len(data) - _HEAD) // _PAIR))
        numbers, at = [], _EPOCH
        for size in sizes:
            numbers.append(int.from_bytes(data[at : at + size], "big"))
            at += size
        count, total, me, mark, *pairs = numbers
        heads = {pair >> _BITS: pair & _MASK for pair in pairs}
        return cls(data[:_EPOCH], count, total, me, heads, mark.to_bytes(_MARK, "big"))

    def behind(self, heads: Mapping[int, int], most: int) -> dict[int, int] | None:
        """By process id, after which number the log has to be read; None: that would be too much.

        Args:
            heads: the number of the last batch of each process that is in the log.
            most: so many batches are not too many.
        """
        after: dict[int, int] = {}
        missing = 0
        for process_id, last in heads.items():
            seen = self.heads.get(process_id & _MASK)
            since = 0 if seen is None else last - ((last - seen) & _MASK)
            missing += last - since
            if missing > most:
                return None
            if since < last:
                after[process_id] = since
        return after

    def follows(self, after: Mapping[int, int], heads: Mapping[int, int], now: Millis) -> bool:
        """Whether the log was exactly where `after` begins when this was given, and that is not long ago.

        So no process is taken for another, no number for one that ends alike, and none is left out because
        nothing of it is in the log any more: what is deleted first is older than what was known.

        Args:
            after: what `behind` says of these heads.
            heads: as they are now.
            now: by the database's clock, as it was when this was given.
        """
        then = {process_id: n for process_id, last in heads.items() if (n := after.get(process_id, last))}
        stretch = now // FOLLOWED_MS
        return bool(then) and self.mark in (_mark_of(then, stretch), _mark_of(then, stretch - 1))


def standing(epoch: str, count: int, total: int, me: int, heads: Mapping[int, int], now: Millis) -> Standing:
    """What a phone will hold that takes in an answer.

    Args:
        epoch: of the database.
        count: rows of the user's memberships, present and past.
        total: of those present the conversation's revision, of those past the one at which they ended.
        me: the revision of the user's own log.
        heads: of every process, read no later than the rest.
        now: by the database's clock.
    """
    known = {} if len(heads) > MAX_PROCESSES else {it & _MASK: n & _MASK for it, n in heads.items()}
    return Standing(epoch_mark(epoch), count, total, me, known, _mark_of(heads, now // FOLLOWED_MS))


def epoch_mark(epoch: str) -> bytes:
    """What a `Standing` has of an epoch."""
    return hashlib.blake2b(epoch.encode(), digest_size=_EPOCH).digest()


def _mark_of(heads: Mapping[int, int], stretch: int) -> bytes:
    numbers = repr((stretch, sorted(heads.items())))
    return hashlib.blake2b(numbers.encode(), digest_size=_MARK).digest()


@value(frozen=True, slots=True)
class Changes:
    """What the log tells of a span: the first revisions before it, and where the user was brought in."""

    before: Mapping[ConversationId, int]
    joined: frozenset[ConversationId]


def changes(batches: Iterable[Batch], user_id: UserId) -> Changes:
    """What some batches changed, one process's in order."""
    before: dict[ConversationId, int] = {}
    joined: set[ConversationId] = set()
    for batch in batches:
        for conversation_id, (since, _) in batch.conversations.items():
            before[conversation_id] = min(since, before.get(conversation_id, since))
        joined.update(
            conversation_id for conversation_id, user_ids in batch.joined.items() if user_id in user_ids
        )
    return Changes(before, frozenset(joined))


def named(
    after: Mapping[int, int], heads: Mapping[int, int], batches: Iterable[Batch]
) -> set[ConversationId] | None:
    """The conversations that changed between two states of the log; None: some of it is not there.

    Args:
        after: the numbers of those processes that went on, as `Standing.behind` has them.
        heads: as they are now.
        batches: as they were found, from the number itself on: its row was there then, and is deleted no
            later than what came after it.
    """
    found = {(batch.process_id, batch.n): batch for batch in batches}
    names: set[ConversationId] = set()
    for process_id, since in after.items():
        if since and (process_id, since) not in found:
            return None
        for n in range(since + 1, heads[process_id] + 1):
            batch = found.get((process_id, n))
            if batch is None:
                return None
            names.update(batch.conversations)
    return names


def reckon(
    then: Standing, now: Standing, told: Changes, outlines: Iterable[Outline]
) -> dict[ConversationId, int] | None:
    """What the phone holds of the conversations that changed; None: the log does not tell it all.

    Args:
        then: what the phone held of all.
        now: how far all is.
        told: what the log tells of the time between.
        outlines: the user's, of the conversations that the log names.
    """
    known: dict[ConversationId, int] = {}
    came = moved = 0
    for outline in outlines:
        conversation_id, before = outline.conversation_id, told.before[outline.conversation_id]
        if conversation_id in told.joined:  # the phone did not have it, or the sums will not add up
            came += 1
            moved += outline.left_at or outline.revision
            if outline.left_at:  # it may have heard of their coming, and not of their going
                known[conversation_id] = before
        elif not outline.left_at:
            known[conversation_id] = before
            moved += outline.revision - before
        elif outline.left_at > before:
            known[conversation_id] = before
            moved += outline.left_at - before
    adds_up = (now.count - then.count, now.total - then.total) == (came, moved)
    return known if adds_up else None
