"""Where new ids come from: users, sessions, conversations."""

import secrets
import threading
import time
from contextvars import ContextVar

_RANDOM_BITS = 21


REQUEST_ID: ContextVar[str | None] = ContextVar("REQUEST_ID", default=None)
"""The id of the request that is being answered, as its client is told it: for other lines of the log."""


class _Ids:
    """What this process gave in the present millisecond, so that it gives nothing twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._given: set[int] = set()

    def new(self) -> int:
        """See `new_id`."""
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now != self._now:
                self._now, self._given = now, set()
            while (bits := secrets.randbits(_RANDOM_BITS)) in self._given:
                pass
            self._given.add(bits)
        return now << _RANDOM_BITS | bits


_ids = _Ids()


def new_id() -> int:
    """A new id: a positive 63-bit integer, `Unix milliseconds << 21 | 21 random bits`.

    By time first, so that new rows go to the end of a primary key and pages stay full; the random bits,
    so that nobody finds the next one by counting. No two processes need to agree on anything: two ids of
    the same millisecond and of two processes collide once in two million, and then the primary key refuses
    the second.
    """
    return _ids.new()
