"""A timing wheel: thousands of deadlines for one timer, without I/O.

A deadline is kept to the tick. An item has one at a time; setting a new one forgets the old.
"""

import logging
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)


class Timed(Protocol):
    """What can be put on the wheel."""

    bucket: int
    """Where the item stands on the wheel; the wheel's own, 0 when it stands nowhere."""

    def expire(self, now: float) -> None:
        """Act on the deadline that has passed."""


class Wheel:
    """Items in buckets of one tick (seconds), by the time they are due.

    `begin` is called when there is something new to wait for: then `turn` has to be, once a tick, until the
    wheel is empty.
    """

    __slots__ = ("_begin", "_buckets", "_done", "tick")

    def __init__(self, tick: float, begin: Callable[[], object] = bool) -> None:
        self.tick = tick
        self._begin = begin
        self._buckets: dict[int, set[Timed]] = {}
        self._done = 0  # the last bucket that was emptied

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def set(self, item: Timed, when: float) -> None:
        """Let `item` expire at the last tick not after `when`, though never at once."""
        bucket = int(when / self.tick)
        if bucket <= self._done:
            bucket = self._done + 1
        if item.bucket == bucket:
            return
        if item.bucket:
            self.cancel(item)
        item.bucket = bucket
        there = self._buckets.get(bucket)
        if there is not None:
            there.add(item)
        else:
            self._buckets[bucket] = {item}
            self._begin()

    def hasten(self, item: Timed, when: float) -> None:
        """Let `item` expire at `when` at the latest: one that stands earlier stays there."""
        if not item.bucket or item.bucket > int(when / self.tick):
            self.set(item, when)

    def cancel(self, item: Timed) -> None:
        """Forget the item's deadline, and the item."""
        there = self._buckets.get(item.bucket)
        if there is not None:
            there.discard(item)
            if not there:
                del self._buckets[item.bucket]
        item.bucket = 0

    def turn(self, now: float) -> None:
        """Expire what is due at `now`, in order of time. One that fails harms no other."""
        last = int(now / self.tick)
        if last <= self._done:
            return
        if last - self._done > len(self._buckets):
            due = sorted(bucket for bucket in self._buckets if bucket <= last)
        else:
            due = [bucket for bucket in range(self._done + 1, last + 1) if bucket in self._buckets]
        self._done = last
        for bucket in due:
            for item in self._buckets.pop(bucket):
                if item.bucket == bucket:
                    item.bucket = 0
                    try:
                        item.expire(now)
                    except Exception:
                        logger.exception("deadline failed")
