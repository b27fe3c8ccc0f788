"""How far all of a user's is, and what changed since a phone's position: see `core.standing`."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

import time
from collections.abc import Mapping

from sqlalchemy import Connection

from gochat.core.errors import PositionLost
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.standing import (
    MAX_BATCHES,
    ROWS_A_BATCH,
    Standing,
    epoch_mark,
    named,
    reckon,
    standing,
)
from gochat.core.standing import changes as changes_since
from gochat.core.sync import Outline
from gochat.core.values import value
from gochat.storage.fetch import as_list, dialect, fetch, fetch_any, parse_list
from gochat.storage.log import read_batches

HEADS_S = 2.0
"""How old may be what is known of the log where nothing changed: each process reads that as often anyway."""

# One statement, so that a phone which has everything costs one round trip.
_OUTLINES = """
SELECT e.epoch, u.me_revision, {now}, {heads}, (
  SELECT {outlines} FROM members me JOIN conversations c ON c.id = me.conversation_id WHERE me.user_id = ?
)
FROM epochs e LEFT JOIN users u ON u.id = ? WHERE e.id = 1
"""
_OUTLINE = (
    "me.conversation_id",
    "CASE me.active WHEN 1 THEN 0 ELSE me.revision END",
    "c.revision",
    "c.last_message_at",
)
# As a double: that MySQL adds faster, and exactly up to 2^53.
_SUMS = """
SELECT e.epoch, u.me_revision, {now}, {heads}, sums.count, sums.total
FROM epochs e LEFT JOIN users u ON u.id = ? CROSS JOIN (
  SELECT COUNT(*) AS count, SUM(CASE me.active WHEN 1 THEN c.revision ELSE me.revision END + 0e0) AS total
  FROM members me JOIN conversations c ON c.id = me.conversation_id WHERE me.user_id = ?
) sums
WHERE e.id = 1
"""
_LOG = """
SELECT e.epoch, u.me_revision, {now}, {heads} FROM epochs e LEFT JOIN users u ON u.id = ? WHERE e.id = 1
"""
_IN = "SELECT 1 FROM members me"
_OUTLINES_OF = (
    f"SELECT {', '.join(_OUTLINE)} FROM members me JOIN conversations c ON c.id = me.conversation_id"
)
_OF = "me.user_id = ? AND me.conversation_id = ?"


class LastHeads:
    """How far the log was a moment ago: that is dear to read where there are many processes.

    A position may say less of the log than there is, never more: then something would be missed.
    """

    def __init__(self) -> None:
        self._read: tuple[str, Mapping[int, int], float] = ("", {}, float("-inf"))

    @property
    def fresh(self) -> tuple[str, Mapping[int, int]] | None:
        """Of which history, and the numbers; None: they have to be read."""
        epoch, numbers, read_at = self._read
        return (epoch, numbers) if time.monotonic() - read_at < HEADS_S else None

    def keep(self, epoch: str, numbers: Mapping[int, int], read_at: float) -> None:
        """They were read; `read_at`: when that began, by the monotonic clock."""
        self._read = epoch, numbers, read_at


@value(frozen=True, slots=True)
class Now:
    """How far all of a user's is, and the log."""

    epoch: str
    clock: Millis
    standing: Standing
    heads: Mapping[int, int]


def summed_up(connection: Connection, user_id: UserId, last: LastHeads | None = None) -> Now:
    """How far all is, without the memberships themselves. `last`: what will do of the log."""
    began = time.monotonic()
    known = None if last is None else last.fresh  # before the rest is read
    if known is None:
        statement = _with_heads(connection, _SUMS)
    else:
        statement = _SUMS.format(now=dialect(connection).clock, heads="NULL")
    ((epoch, me_revision, clock, heads, count, total),) = fetch(connection, statement, user_id, user_id)
    if known is None:
        numbers: Mapping[int, int] = dict(parse_list(heads))
        if last is not None:
            last.keep(epoch, numbers, began)
    else:
        numbers = known[1] if epoch == known[0] else {}
    held = standing(epoch, count, int(total or 0), me_revision or 0, numbers, clock)
    return Now(epoch, clock, held, numbers)


def outlined(connection: Connection, user_id: UserId) -> tuple[list[Outline], Now]:
    """A user's memberships, and how far all is: from one state of the database."""
    statement = _with_heads(connection, _OUTLINES)
    ((epoch, me_revision, clock, heads, found),) = fetch(connection, statement, user_id, user_id)
    outlines = [Outline._make(row) for row in parse_list(found)]
    numbers = dict(parse_list(heads))
    total = sum(it.left_at or it.revision for it in outlines)
    held = standing(epoch, len(outlines), total, me_revision or 0, numbers, clock)
    return outlines, Now(epoch, clock, held, numbers)


def is_far(then: Standing, last: LastHeads) -> bool:
    """Whether so much of the log came since that the sums cost less, as far as is known."""
    known = last.fresh
    return known is not None and then.behind(known[1], _most(then)) is None


def unnamed_since(connection: Connection, user_id: UserId, then: Standing, last: LastHeads) -> Now | None:
    """How far all is, if the log alone tells that no conversation of the user changed; in a snapshot.

    None: it does not, or the sums cost less.
    """
    most, began = _most(then), time.monotonic()
    epoch, me_revision, clock, heads = _log(connection, user_id)
    last.keep(epoch, heads, began)
    after = then.behind(heads, most)
    if epoch_mark(epoch) != then.epoch or after is None or not then.follows(after, heads, clock):
        return None
    if after:
        batches = read_batches(connection, {it: max(0, n - 1) for it, n in after.items()}, MAX_BATCHES)
        names = named(after, heads, batches)
        if names is None or len(names) > most:
            return None
        if any(fetch_any(connection, _IN, _OF, [(user_id, it) for it in names], limit=1)):
            return None
    held = standing(epoch, then.count, then.total, me_revision or 0, heads, clock)
    return Now(epoch, clock, held, heads)


def check_followed(connection: Connection, user_id: UserId, then: Standing) -> None:
    """See what came since before anything dear is read.

    Raises:
        PositionLost: more of the log than is read.
    """
    *_, heads = _log(connection, user_id)
    _after(then, heads)


def changed_since(
    connection: Connection, user_id: UserId, then: Standing, now: Now
) -> tuple[list[Outline], dict[ConversationId, int]]:
    """Those of a user's memberships that changed, and what a phone holds of them; in a snapshot.

    Raises:
        PositionLost: the log does not tell.
    """
    batches = read_batches(connection, _after(then, now.heads), MAX_BATCHES)
    told = changes_since(batches, user_id)
    mine = [(user_id, conversation_id) for conversation_id in told.before]
    outlines = [Outline._make(row) for row in fetch_any(connection, _OUTLINES_OF, _OF, mine)]
    known = reckon(then, now.standing, told, outlines)
    if known is None:
        raise PositionLost(field="position")
    return outlines, known


def _most(then: Standing) -> int:
    """So many batches cost no more to read than the sums."""
    return then.count // ROWS_A_BATCH


def _after(then: Standing, heads: Mapping[int, int]) -> dict[int, int]:
    after = then.behind(heads, MAX_BATCHES)
    if after is None:
        raise PositionLost(field="position")
    return after


def _log(connection: Connection, user_id: UserId) -> tuple[str, int | None, Millis, dict[int, int]]:
    """The epoch, the user's own revision, the time, and how far the log is."""
    ((epoch, me_revision, clock, found),) = fetch(connection, _with_heads(connection, _LOG), user_id)
    return epoch, me_revision, clock, dict(parse_list(found))


def _with_heads(connection: Connection, statement: str) -> str:
    words = dialect(connection)
    heads = f"(SELECT {as_list(connection, 'h.process_id', 'h.n')} FROM ({words.heads}) h)"
    return statement.format(now=words.clock, heads=heads, outlines=as_list(connection, *_OUTLINE))
