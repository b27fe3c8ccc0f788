"""What is written in one turn of the loop goes out at its end: one system call for a socket, or for all."""

import asyncio
import logging
from typing import Protocol

from .uring import LEAST, Sink, Uring, open_uring

logger = logging.getLogger(__name__)


class Flushed(Sink, Protocol):
    """What gathers its output for one turn of the loop."""

    def flush(self) -> None:
        """Send it."""


class Output:
    """Those that were written to in this turn."""

    def __init__(self, *, io_uring: bool) -> None:
        self._written: list[Flushed] = []
        self._uring = open_uring() if io_uring else None

    def add(self, item: Flushed) -> None:
        """Have `item.flush` called once, when this turn is over."""
        if not self._written:
            asyncio.get_running_loop().call_soon(self._flush)
        self._written.append(item)

    def _flush(self) -> None:
        """Flush all. One that fails harms no other: the loop tells it of its loss."""
        written, self._written = self._written, []
        if self._uring is not None and len(written) >= LEAST:
            written = self._send(self._uring, written)
        for item in written:
            try:
                item.flush()
            except Exception as error:
                logger.info("write failed: %s", type(error).__name__)

    def _send(self, ring: Uring, written: list[Flushed]) -> list[Flushed]:
        """Send by one system call; return those that have something left to flush."""
        try:
            return ring.send(written)
        except OSError as error:
            logger.warning("io_uring failed, and is used no more: %s", error)
            self._uring = None
            ring.close()
            return written
