"""Connections on which something comes for the first time: a few are heard in each turn of the loop.

When thousands come at once the kernel has something of each of them for one and the same turn. Whoever is
there already would wait for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

EACH_TURN: Final = 16
"""Newcomers that are heard in a turn: some milliseconds, if each is let in."""


MOST_BYTES: Final = 8 << 20
"""Of what they said so much waits, of all together. Whoever says more than is left is heard at once."""


class Newcomer(Protocol):
    """A connection that has said something for the first time."""

    def begin(self, data: bytes) -> None:
        """Hear what it said; it may have gone."""


class Newcomers:
    """Those that wait to be heard, first come, first served.

    Args:
        soon: has something called when the loop begins its next turn.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object] | None = None) -> None:
        self._soon = soon
        self._heard = 0  # in this turn
        self._waiting: deque[tuple[Newcomer, bytes]] = deque()
        self._size = 0  # bytes of those

    def hears(self, newcomer: Newcomer, data: bytes) -> bool:
        """Whether one is heard now; if not, it is begun with what it said when it is its turn."""
        many = self._heard >= EACH_TURN or len(self._waiting) > 0
        if many and self._size + len(data) <= MOST_BYTES:
            self._waiting.append((newcomer, data))
            self._size += len(data)
            return False
        if not self._heard:
            self._wait()
        self._heard += 1
        return True

    def _wait(self) -> None:
        soon = self._soon or asyncio.get_running_loop().call_soon
        soon(self._turn)

    def _turn(self) -> None:
        """The next turn begins."""
        self._heard = min(len(self._waiting), EACH_TURN)
        if self._heard:
            self._wait()
        for _ in range(self._heard):
            newcomer, data = self._waiting.popleft()
            self._size -= len(data)
            newcomer.begin(data)
