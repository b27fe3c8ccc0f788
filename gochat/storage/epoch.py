"""Whether the database still tells the history that this process knows; if not, it gets a new name.

Used by the writer's thread, before it decides anything on a new connection, and by the pool of readers.
"""

import logging
import secrets
import threading
import time
from collections.abc import Sequence

from sqlalchemy import Connection

from gochat.core.queries import Heads
from gochat.core.witness import Span, Witness
from gochat.storage.engines import write_engine
from gochat.storage.fetch import as_list, dialect, fetch, fetch_any, parse_list, run

log = logging.getLogger(__name__)

_HEADS = "SELECT epoch, (SELECT {numbers} FROM ({heads}) heads) FROM epochs WHERE id = 1"
_COUNT = "SELECT COUNT(*) FROM batches"
_RENEW = "UPDATE epochs SET epoch = ?, created_at = {clock} WHERE id = 1 AND epoch = ?"


class EpochGuard:
    """One per process. Its methods may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._witness = Witness()
        self._epochs: set[str] = set()
        self._read_at = float("-inf")

    def committed(self, process_id: int, n: int) -> None:
        """This process got the answer to a COMMIT."""
        with self._lock:
            self._witness.saw(process_id, n, time.monotonic())

    def check(self, connection: Connection) -> Heads:
        """How far the log is. If something is missing that was there, the epoch is another one afterwards.

        Several processes may find it out at the same time: they set one new epoch between them.
        """
        with self._lock:
            expected = Witness(dict(self._witness.seen), dict(self._witness.looked))
            now = time.monotonic()
        heads = read_heads(connection)
        if (
            heads.epoch not in self._epochs
            or expected.misses(heads.numbers, now)
            or not _are_whole(connection, expected.spans(heads.numbers))
        ):
            return self._adopt(connection, heads, now)
        with self._lock:
            self._witness.look(heads.numbers, self._read_at)
            self._read_at = now
        return heads

    def renew(self, connection: Connection) -> None:
        """Set a new epoch: it was found out otherwise that history was lost."""
        now = time.monotonic()
        self._adopt(connection, read_heads(connection), now)

    def _adopt(self, connection: Connection, heads: Heads, now: float) -> Heads:
        """An epoch never seen before was set by another process, for what is missing here too."""
        if heads.epoch in self._epochs:
            fresh = secrets.token_hex(8)
            run(connection, _RENEW.format(clock=dialect(connection).clock), fresh, heads.epoch)
            heads = read_heads(connection)
            log.error("The database has lost part of its history; the epoch is now %s.", heads.epoch)
        with self._lock:
            self._epochs.add(heads.epoch)
            self._witness.start_anew(heads.numbers)
            self._read_at = now
        return heads


def restored(url: str) -> str:
    """Say that a database was restored, for processes that did not see it: the new epoch."""
    engine = write_engine(url)
    try:
        with engine.connect() as connection:
            fresh, known = secrets.token_hex(8), read_heads(connection).epoch
            run(connection, _RENEW.format(clock=dialect(connection).clock), fresh, known)
            return read_heads(connection).epoch
    finally:
        engine.dispose()


def _are_whole(connection: Connection, spans: Sequence[Span]) -> bool:
    """Whether all batches of each span are there."""
    values = [(span.process_id, span.first, span.last) for span in spans]
    found = fetch_any(connection, _COUNT, "process_id = ? AND n BETWEEN ? AND ?", values)
    return sum(int(row[0]) for row in found) == sum(span.last - span.first + 1 for span in spans)


def read_heads(connection: Connection) -> Heads:
    """How far the log is."""
    numbers = as_list(connection, "process_id", "n")
    statement = _HEADS.format(numbers=numbers, heads=dialect(connection).heads)
    ((epoch, found),) = fetch(connection, statement)
    return Heads(str(epoch), dict(parse_list(found)))
