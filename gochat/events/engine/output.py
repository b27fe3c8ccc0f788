"""What is written in one turn of the loop goes out at its end: one system call for a socket, or for all.

A large room's sockets are sent to over several turns, so that nobody else waits for all of them. What one
socket gets keeps its order: it holds what was written to it until it is flushed.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from .uring import LEAST, Sink, Uring, open_uring

logger = logging.getLogger(__name__)

CROWD: Final = 256
"""Sockets of large rooms that each turn sends to, and more for as long as all else in the turn took: half of
the time is theirs."""
LATE_S: Final = 1.0
"""Who has waited for longer is sent to before anything else is done: then the turn is as long as that takes,
so that what comes meanwhile is refused as too much."""


class Flushed(Sink, Protocol):
    """What gathers its output for one turn of the loop."""

    def flush(self) -> None:
        """Send it."""


class Output:
    """Those that were written to and are not flushed yet.

    `clock` tells seconds that never go back.
    """

    def __init__(self, *, io_uring: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = False  # `_flush` is called soon
        self._written: list[Flushed] = []
        self._crowds: deque[_Crowd] = deque()
        self._others_since = 0.0  # the time since then went to all but crowds
        self._uring = open_uring() if io_uring else None

    def add(self, item: Flushed) -> None:
        """Have `item.flush` called once, when this turn is over."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)
        self._written.append(item)

    @contextmanager
    def crowd(self) -> Iterator[None]:
        """Have those that are added meanwhile flushed over several turns; that time is the crowd's own."""
        written, self._written = self._written, []
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            self._others_since = self._others_since + now - began if self._crowds else now
            if self._written:
                self._crowds.append(_Crowd(self._written, began))
            self._written = written

    def _flush(self) -> None:
        self._due = False
        written, self._written = self._written, []
        self._send(written)
        if self._crowds:
            self._flush_crowds()

    def _flush_crowds(self) -> None:
        now = self._clock()
        until = now + (now - self._others_since)
        while self._crowds:
            self._send(self._crowds[0].take())
            if not self._crowds[0].left:
                self._crowds.popleft()
            now = self._clock()
            if now >= until and not (self._crowds and now - self._crowds[0].at > LATE_S):
                break
        self._others_since = now
        if self._crowds and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _send(self, written: list[Flushed]) -> None:
        """Flush all. One that fails harms no other: the loop tells it of its loss."""
        if self._uring is not None and len(written) >= LEAST:
            written = self._send_together(self._uring, written)
        for item in written:
            try:
                item.flush()
            except Exception as error:
                logger.info("write failed: %s", type(error).__name__)

    def _send_together(self, ring: Uring, written: list[Flushed]) -> list[Flushed]:
        """Send by one system call; return those that have something left to flush."""
        try:
            return ring.send(written)
        except OSError as error:
            logger.warning("io_uring failed, and is used no more: %s", error)
            self._uring = None
            ring.close()
            return written


class _Crowd:
    """The sockets of one large room."""

    def __init__(self, sockets: list[Flushed], at: float) -> None:
        self.at = at  # when they were written to
        self.left = len(sockets)
        self._sockets = sockets

    def take(self) -> list[Flushed]:
        """The next that are to be sent to."""
        first = len(self._sockets) - self.left
        self.left = max(self.left - CROWD, 0)
        return self._sockets[first : first + CROWD]
