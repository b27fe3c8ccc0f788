"""`gochat`, with a flaw that is not in the product: `python -m tests.soak.planted FLAW serve`.

A checker that finds nothing may be blind; so each flaw has to be found. They are planted from outside, into
the imported modules of a server process, before it serves.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any


@dataclass(frozen=True)
class Flaw:
    """What plants it, the promises that it breaks (it is found by any of them), the faults that bring it out,
    and how many messages it takes until it shows."""

    plant: Callable[[], None]
    breaks: tuple[str, ...]
    faults: tuple[str, ...] = ()
    messages: int = 1_500


def _patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put another in a function's place. Raises TypeError for one that could not be called like it."""
    original = getattr(owner, name)
    other = make(original)
    if _shape(other) != _shape(original):
        raise TypeError(f"{name} is called with {_shape(original)}")
    setattr(owner, name, other)


def _shape(function: Callable[..., Any]) -> list[tuple[Any, bool]]:
    """How it is called: its parameters, whatever they are named, and which of them may be left out."""
    parameters = signature(function).parameters.values()
    return [(it.name if it.kind is it.KEYWORD_ONLY else it.kind, it.default is it.empty) for it in parameters]


def ack_before_commit() -> None:
    """The answer does not wait for the commit."""
    from gochat.storage.batch import run
    from gochat.storage.committer import Committer

    def hasty(self: Any, transaction: Any, commands: Any, answer: Any, *, wait: bool) -> None:
        outcome = run(transaction, commands, self._limits, self._process_id, self._n + 1, wait=wait)
        answer(outcome)
        if outcome.committed is None:
            transaction.rollback()
        else:
            self._undecided = outcome, lambda outcome: None
            transaction.commit()
            self._undecided = None
            self._took(self._n + 1)

    _patch(Committer, "_run", lambda _: hasty)


def publish_before_commit() -> None:
    """Members hear of what may never be."""
    from gochat.storage.load import Transaction
    from gochat.storage.writer import ConversationWriter

    current: list[Any] = []

    def commit(original: Any) -> Any:
        def committing(self: Transaction) -> None:
            committer, writer = current
            outcome, _ = committer._undecided
            writer._loop.call_soon_threadsafe(writer._publisher.publish, outcome.committed)
            original(self)

        return committing

    def deliver(original: Any) -> Any:
        def silent(self: Any, entries: Any, outcome: Any, times: Any) -> None:
            original(self, entries, replace(outcome, committed=None), times)

        return silent

    def remember(original: Any) -> Any:
        def beginning(self: Any) -> None:
            current[:] = [self._committer, self]
            original(self)

        return beginning

    _patch(Transaction, "commit", commit)
    _patch(ConversationWriter, "_deliver", deliver)
    _patch(ConversationWriter, "_write", remember)


def late_commits_count() -> None:
    """A COMMIT without an answer is looked for, and not fenced; its number is used again."""
    from gochat.storage.committer import Committer

    def look(self: Any) -> bool:
        number = self._n + 1
        transaction = self._begin()
        found = bool(transaction.rows(self._sql.find_batch, self._process_id, number))
        transaction.rollback()
        if found:
            self._took(number)
        return found

    _patch(Committer, "_fence", lambda _: look)


def no_retry_lookup() -> None:
    """A retry is a new message."""
    from gochat.storage import load

    _patch(load, "_take_sent", lambda _: lambda found, transaction, needs, state: None)


def seq_by_max() -> None:
    """The next seq is read without a lock."""
    from gochat.storage.dialects import MySQL

    for name in ("lock", "try_lock"):
        _patch(MySQL, name, lambda _: lambda self, what, table, *key: self.look_up(what, table, *key))


def room_leak() -> None:
    """Who leaves goes on hearing."""
    from gochat.events.delivery.fanout import Fanout

    _patch(Fanout, "_farewell", lambda _: lambda self, notice: None)


def no_gap_repair() -> None:
    """What is missing is never read back."""
    from gochat.events.delivery.gates import Gates

    _patch(Gates, "_mend", lambda _: lambda self, key, gate, cause, patience=None: None)


def receipts_go_back() -> None:
    """The last receipt counts, not the highest."""
    from gochat.core import receipts

    def moved(state: Any, conversation: Any, member: Any, position: Any, *, shown: bool) -> Any:
        return replace(
            member,
            read_seq=position.read_seq or member.read_seq,
            delivered_seq=position.delivered_seq,
            shown_read_seq=position.read_seq or member.shown_read_seq,
            shown_delivered_seq=position.delivered_seq,
            skipped=0,
            revision=conversation.revision + 1,
            me_revision=state.me[member.user_id] + 1,
        )

    _patch(receipts, "_moved", lambda _: moved)


def double_delivery() -> None:
    """Now and then a delta goes out twice."""
    from gochat.events.delivery.fanout import Fanout

    def hand_on(original: Any) -> Any:
        def twice(self: Any, notice: Any) -> None:
            original(self, notice)
            if notice.revision % 20 == 0:
                original(self, notice)

        return twice

    _patch(Fanout, "_hand_on", hand_on)


def sync_drops_edits() -> None:
    """Who was away does not hear of edits."""
    from gochat.storage import sync

    sync._CHANGED += " AND x.edited_at IS NULL"


def unread_forgets_deletes() -> None:
    """What was deleted unread stays unread."""
    from gochat.storage import batch

    _patch(batch, "_skip", lambda _: lambda transaction, unreadable: None)


def newcomers_hear_the_past() -> None:
    """An edit of an old message reaches whoever joined after it."""
    from gochat.events.delivery.visibility import Visibility

    _patch(Visibility, "_filter", lambda _: lambda self, notice, hidden, held: [])


def rights_come_last() -> None:
    """Who has come and gone by what was missed is seen to after it is told."""
    from gochat.events.delivery.fanout import Fanout

    def hand_on(original: Any) -> Any:
        def late(self: Any, notice: Any) -> None:
            if notice.apart and notice.left:
                original(self, replace(notice, left=()))
                self._farewell(notice)
            else:
                original(self, notice)

        return late

    _patch(Fanout, "_hand_on", hand_on)


def hidden_lists_stay() -> None:
    """A list of members that was hidden is not told again when it is shown."""
    from gochat.core.state import State

    _patch(State, "revealed", lambda _: lambda self, limits: {})


def blocks_are_forgotten() -> None:
    """Who is blocked writes on."""
    from gochat.core import messages

    _patch(messages, "check_open", lambda _: lambda conversation: None)


def half_an_emoji_closes() -> None:
    """What an app cut in the middle of an emoji closes its connection, again and again."""
    from gochat.events.engine import packets
    from gochat.events.engine.errors import ProtocolError

    _patch(packets, "_fault", lambda _: lambda text, max_depth: ProtocolError("payload is not JSON"))


FLAWS = {
    "ack_before_commit": Flaw(
        ack_before_commit, ("history", "order", "status", "store"), ("CommitsCut",) * 4
    ),
    "publish_before_commit": Flaw(publish_before_commit, ("store",), ("CommitsCut",) * 4),
    "late_commits_count": Flaw(
        late_commits_count, ("history", "order", "status", "store"), ("CommitsLate",) * 6
    ),
    "no_retry_lookup": Flaw(no_retry_lookup, ("ack", "outbox"), ("AcksCut",)),
    "seq_by_max": Flaw(seq_by_max, ("database", "receipts", "store")),
    "room_leak": Flaw(room_leak, ("strangers", "store"), messages=6_000),
    "no_gap_repair": Flaw(no_gap_repair, ("delivery",), ("RedisPubSubKilled", "RedisRestarted")),
    "receipts_go_back": Flaw(receipts_go_back, ("receipts", "database")),
    "double_delivery": Flaw(double_delivery, ("chain",)),
    "sync_drops_edits": Flaw(sync_drops_edits, ("store",), ("PhonesCut", "WorkerKilled")),
    "unread_forgets_deletes": Flaw(unread_forgets_deletes, ("database", "store"), messages=6_000),
    "newcomers_hear_the_past": Flaw(newcomers_hear_the_past, ("strangers", "store"), messages=12_000),
    "half_an_emoji_closes": Flaw(half_an_emoji_closes, ("outbox", "sync"), messages=300),
    "rights_come_last": Flaw(
        rights_come_last, ("strangers",), ("RedisDown", "RedisPubSubKilled", "RedisSilentlyDead") * 2, 6_000
    ),
    "hidden_lists_stay": Flaw(hidden_lists_stay, ("store",), messages=6_000),
    "blocks_are_forgotten": Flaw(blocks_are_forgotten, ("block",), messages=12_000),
}


def main() -> None:
    """Plant the flaw and go on as `gochat` would."""
    from gochat.cli import app

    FLAWS[sys.argv.pop(1)].plant()
    app()


if __name__ == "__main__":
    main()
